package cache

import (
	"context"
	"errors"
	"runtime/debug"
	"sync"
	"time"
)

// Errors of Flights.Do. None says anything about the value asked for.
var (
	// ErrBusy: too many flights, or too many waiters on this one. Nothing was started.
	ErrBusy = errors.New("cache: too many flights or waiters")
	// ErrPanicked: the run panicked or ended its goroutine. The panic's value is not part of the error.
	ErrPanicked = errors.New("cache: run panicked")
	// ErrStopped: the owner's context has ended. Nothing was started.
	ErrStopped = errors.New("cache: flights stopped")
)

// Defaults of FlightsConfig.
const (
	DefaultFlightTimeout = 10 * time.Second
	DefaultMaxFlights    = 1024
	DefaultMaxWaiters    = 16384
)

// FlightsConfig bounds a Flights. The zero value means the defaults.
type FlightsConfig struct {
	// Timeout ends the context of each run. Zero means DefaultFlightTimeout.
	Timeout time.Duration
	// MaxFlights bounds the runs at one time. Zero means DefaultMaxFlights.
	MaxFlights int
	// MaxWaiters bounds the callers that wait for one run. Zero means DefaultMaxWaiters.
	MaxWaiters int
	// Panicked, if set, is told of each panic in a run: its value (nil when the run called runtime.Goexit) and the
	// stack. The value may hold what must not be logged. Called on the run's goroutine, which is about to end.
	Panicked func(value any, stack []byte)
}

// Flights lets the callers that ask for one key at one time share a single run. A run belongs to the owner, not to the
// caller that began it: callers come and go without any effect on it. Use NewFlights; the zero value is not usable.
// All methods may be called by any number of goroutines.
type Flights[V any] struct {
	owner  context.Context
	config FlightsConfig

	mu      sync.Mutex
	idle    sync.Cond // signalled when running falls to zero
	flights map[Key]*flight[V]
	running int // goroutines; a flight leaves the map a little before its goroutine ends
}

type flight[V any] struct {
	done    chan struct{} // closed when value and err are set
	slow    chan struct{} // closed when the run says that it takes long
	said    sync.Once     // closes slow
	value   V
	err     error
	waiters int // guarded by Flights.mu
}

// NewFlights returns a Flights whose runs end when owner ends. It starts nothing.
func NewFlights[V any](owner context.Context, config FlightsConfig) *Flights[V] {
	if config.Timeout <= 0 {
		config.Timeout = DefaultFlightTimeout
	}
	if config.MaxFlights <= 0 {
		config.MaxFlights = DefaultMaxFlights
	}
	if config.MaxWaiters <= 0 {
		config.MaxWaiters = DefaultMaxWaiters
	}
	f := &Flights[V]{owner: owner, config: config, flights: make(map[Key]*flight[V])}
	f.idle.L = &f.mu
	return f
}

// Do returns the result of the run in progress for k, or begins one: run is called on a goroutine of its own with a
// context that carries nothing of ctx, and ends with the owner's or after the timeout. run must heed that context, and
// should look into the cache again before it works: an earlier flight may have landed since the caller looked. shared
// tells whether the run was begun by another call.
//
// When ctx ends first, Do returns its error and the run goes on. Otherwise err is nil, ErrBusy, ErrPanicked or ErrStopped,
// and v is the zero value unless err is nil. All callers get the same v.
func (f *Flights[V]) Do(ctx context.Context, k Key, run func(ctx context.Context) V) (v V, shared bool, err error) {
	return f.DoSlow(ctx, k, func(ctx context.Context, _ func()) V { return run(ctx) }, nil)
}

// DoSlow is Do for a run that may turn out to take long. Once the run has called slow, which it may do at any time and
// any number of times, each caller's stay is called once, on the caller's goroutine, unless it is nil. A caller whose
// stay returns false leaves with ErrBusy.
func (f *Flights[V]) DoSlow(ctx context.Context, k Key, run func(ctx context.Context, slow func()) V, stay func() bool) (v V, shared bool, err error) {
	if err := ctx.Err(); err != nil {
		return v, false, err
	}
	fl, shared, err := f.join(k, run)
	if err != nil {
		return v, false, err
	}
	err = fl.wait(ctx, stay)
	f.leave(fl)
	if err != nil {
		return v, shared, err
	}
	return fl.value, shared, fl.err
}

// Wait returns when no run is in progress. After the owner's context has ended no run begins any more, so Wait then
// waits for the last ones.
func (f *Flights[V]) Wait() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.running > 0 {
		f.idle.Wait()
	}
}

// join adds the caller to the flight of k, beginning it if there is none.
func (f *Flights[V]) join(k Key, run func(context.Context, func()) V) (fl *flight[V], shared bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fl = f.flights[k]
	switch {
	case fl != nil && fl.waiters >= f.config.MaxWaiters, fl == nil && f.running >= f.config.MaxFlights:
		return nil, false, ErrBusy
	case fl != nil:
		shared = true
	case f.owner.Err() != nil:
		return nil, false, ErrStopped
	default:
		fl = &flight[V]{done: make(chan struct{}), slow: make(chan struct{})}
		f.flights[k] = fl
		f.running++
		go f.fly(k, fl, run)
	}
	fl.waiters++
	return fl, shared, nil
}

// wait returns nil when the flight has landed, or the reason why the caller leaves earlier. If the flight has landed at
// the same time, wait returns nil.
func (fl *flight[V]) wait(ctx context.Context, stay func() bool) error {
	slow := fl.slow
	if stay == nil {
		slow = nil
	}
	var err error
	for err == nil {
		select {
		case <-fl.done:
			return nil
		case <-slow:
			if slow = nil; !stay() {
				err = ErrBusy
			}
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	select {
	case <-fl.done:
		return nil
	default:
		return err
	}
}

func (f *Flights[V]) leave(fl *flight[V]) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fl.waiters--
}

// fly runs the flight of k and lands it whatever happens.
func (f *Flights[V]) fly(k Key, fl *flight[V], run func(context.Context, func()) V) {
	ctx, cancel := context.WithTimeout(f.owner, f.config.Timeout)
	fl.err = ErrPanicked // until run has returned
	defer f.land(k, fl, cancel)
	fl.value = run(ctx, func() { fl.said.Do(func() { close(fl.slow) }) })
	fl.err = nil
}

// land is deferred: it stops a panic, releases the waiters and forgets the flight.
func (f *Flights[V]) land(k Key, fl *flight[V], cancel context.CancelFunc) {
	value := recover()
	cancel()
	f.mu.Lock()
	delete(f.flights, k) // Before the waiters go on: a later call begins a new run.
	f.mu.Unlock()
	close(fl.done)

	defer func() {
		_ = recover() // Panicked is the owner's code, and must not end the process either.
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.running--; f.running == 0 {
			f.idle.Broadcast()
		}
	}()
	if fl.err != nil && f.config.Panicked != nil {
		f.config.Panicked(value, debug.Stack())
	}
}
