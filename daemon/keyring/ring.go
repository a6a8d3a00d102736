// Package keyring keeps the key set of a project up to date. It decides when to fetch
// a key set, whether the fetched set replaces the old one, when an unknown key id
// justifies a fetch, and which key set is saved for the next start.
package keyring

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/neonauthd/neonauthd/daemon/clock"
	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/daemon/upstream"
)

// Lifetime is how long a set may verify after the upstream has last confirmed it.
const Lifetime = 24 * time.Hour

// The intervals of key sets that the operator cannot set.
const (
	minRefresh = time.Minute // least fresh time that Cache-Control can ask for
	maxBackoff = time.Minute // longest pause between failing fetches, unless Retry-After asks for more
	jitter     = 0.1         // share of the fresh time by which refreshes are spread, so that hosts do not refresh together
	margin     = 0.05
	// lookInterval is how often Run checks whether a fetch is due, apart from its timer.
	// Timers stand still while the host sleeps, and do not follow a step of the wall
	// clock.
	lookInterval = 5 * time.Second
)

// Config is the configuration of a Ring. All fields but Store, Changed and Withdrawn are
// required.
type Config struct {
	// Fetch asks the upstream. If latest is true, it asks the caches on the way not to
	// answer. Its error is logged for the operator.
	Fetch func(ctx context.Context, known upstream.Validators, latest bool) (upstream.KeySetResponse, error)
	// Algorithms are the algorithms that keys may be used for.
	Algorithms []keyset.Algorithm
	Rhythm
	// Store keeps the set for the next start.
	Store Store
	// Now returns the time with both clock readings; see package clock.
	Now func() time.Time
	// Log gets a line for each fault that an operator may have to mend.
	Log *slog.Logger
	// Changed is called when a set has come into force or has been confirmed, whatever
	// caused that; nil: nothing is called. It must return soon, and not call the Ring.
	Changed func()
	// Withdrawn is called with the keys that the set in force does not have any more;
	// nil: nothing is called. It must return soon, and not call the Ring.
	Withdrawn func([]*keyset.Key)
}

// Rhythm says when a Ring fetches.
type Rhythm struct {
	// Refresh is the fresh time of a set without Cache-Control. MaxAge is the longest
	// fresh time that Cache-Control can ask for, and the greatest Age that delays the
	// proof that a key is not there.
	Refresh, MaxAge time.Duration
	// Cooldown is the shortest time between two fetches that lookups cause.
	Cooldown time.Duration
}

// Ring keeps one project's key set. A lookup whose key is known reads Current and does
// not wait. Make it with New. It is safe for concurrent use.
type Ring struct {
	is      atomic.Pointer[Config]    // see config; written with mu held
	current atomic.Pointer[Snapshot]  // written with mu held, or before another goroutine has the Ring
	spare   atomic.Pointer[Snapshot]  // the saved set, usable or not; nil after a set was fetched
	due     atomic.Pointer[time.Time] // of the next refresh; written with mu held
	wake    chan struct{}
	save    func(*Snapshot) error // Store.save of the configuration in force
	unsaved chan *Snapshot        // has the newest set that waits to be saved; made by Run, and only Run sends

	mu       sync.Mutex
	attempt  *attempt             // in progress, or to be made at once; nil otherwise
	forced   time.Time            // when a lookup last caused an attempt
	wanted   map[string]time.Time // key ids asked for since the last attempt began, and when they were first asked for
	met      map[string]sighting  // key ids about which copies in caches have told nothing yet
	older    bool                 // the last answer was an older copy than the set in use
	absent   map[string]time.Time // key ids that a fetch did not find, and until when Seek answers Absent for them
	waiting  *fair.Pool           // lookups of unknown keys inside Seek
	stopped  bool                 // Run has returned
	failures int                  // failed attempts in a row
	problem  error                // of the last attempt; nil if it succeeded or there was none
	failure  Failure              // the last failure
	backoff  *backoff.ExponentialBackOff
	counts   Counts
}

// attempt is one fetch. done is closed when it has ended, successful or not.
type attempt struct{ done chan struct{} }

// New returns a Ring with the set from the store, if that set is young enough. Nothing
// is fetched before Run.
func New(config Config) *Ring {
	r := &Ring{
		wake:    make(chan struct{}, 1),
		wanted:  map[string]time.Time{},
		met:     map[string]sighting{},
		absent:  map[string]time.Time{},
		waiting: fair.NewPool(fair.NewKeys()),
		backoff: backoff.NewExponentialBackOff(),
		attempt: &attempt{done: make(chan struct{})}, // Run begins with this attempt; lookups may wait for it
	}
	r.is.Store(&config)
	r.save = func(s *Snapshot) error { return r.config().Store.save(s) }
	r.backoff.InitialInterval = time.Second
	r.backoff.RandomizationFactor = 0.2 // in both directions
	r.backoff.MaxInterval = maxBackoff * 5 / 6
	now := config.Now()
	r.plan(now)
	r.spare.Store(config.Store.load(config.Algorithms, now, config.Log))
	r.takeSpare(now)
	return r
}

// config returns the configuration in force.
func (r *Ring) config() *Config { return r.is.Load() }

// put puts s in force.
func (r *Ring) put(s *Snapshot) {
	r.current.Store(s)
	if r.config().Changed != nil {
		r.config().Changed()
	}
}

// Snapshot returns the set in force, usable or not, or nil.
func (r *Ring) Snapshot() *Snapshot { return r.current.Load() }

// Current returns the set in force, or nil, and whether it may verify at now. If a set
// past its fresh time is due for a refresh, or a saved set has become usable, Current
// wakes Run at once. So after a sleep or a step of the clock the first lookup is enough.
// Current takes no lock.
func (r *Ring) Current(now time.Time) (current *Snapshot, usable bool) {
	switch current = r.current.Load(); {
	case current == nil && r.spare.Load().Usable(now),
		current != nil && current.Stale(now) && clock.Over(*r.due.Load(), now):
		r.nudge()
	}
	return current, current.Usable(now)
}

// takeSpare puts the saved set in force if there is no other and it is usable now. The
// set may become usable when a clock that was wrong at the start is set right. Only Run
// and New call takeSpare. During a fetch, a call would come too late: the fetched set
// would not be treated as the successor of the saved one.
func (r *Ring) takeSpare(now time.Time) {
	if spare := r.spare.Load(); r.current.Load() == nil && spare.Usable(now) {
		r.put(spare)
	}
}

// Run fetches the key set when it is due, until ctx ends. Then it wakes those who still
// wait, and returns when the last set is saved. It may be called again after it has returned.
func (r *Ring) Run(ctx context.Context) {
	r.unsaved = make(chan *Snapshot, 1)
	var saver sync.WaitGroup
	saver.Go(r.saveSets)
	defer saver.Wait()
	defer close(r.unsaved)
	defer r.stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-r.wake:
		}
		if ctx.Err() != nil {
			return
		}
		if a := r.begin(); a != nil {
			r.perform(ctx, a)
		}
		timer.Reset(r.pause())
	}
}

// begin returns the attempt to be made now, or nil if none is due.
func (r *Ring) begin() *attempt {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.config().Now()
	r.takeSpare(now)
	deferred := len(r.wanted) > 0 && clock.Over(r.earliest(), now)
	if r.attempt == nil && (deferred || clock.Over(*r.due.Load(), now)) {
		r.attempt = &attempt{done: make(chan struct{})}
	}
	if r.attempt != nil && deferred {
		r.forced = now
		r.counts.Forced++
	}
	return r.attempt
}

// earliest returns when an unknown key id may cause an attempt: after the cooldown.
// While attempts fail, it is not before the next attempt is due anyway, which respects
// Retry-After. r.mu is held.
func (r *Ring) earliest() time.Time {
	at := r.forced.Add(r.config().Cooldown)
	if due := *r.due.Load(); r.failures > 0 && at.Before(due) {
		return due
	}
	return at
}

// plan sets the instant of the next refresh. r.mu is held, or no other goroutine has r
// yet.
func (r *Ring) plan(at time.Time) { r.due.Store(&at) }

// pause returns the time until the next attempt may be due.
func (r *Ring) pause() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.config().Now()
	pause := min(lookInterval, clock.Left(*r.due.Load(), now))
	if len(r.wanted) > 0 {
		pause = min(pause, clock.Left(r.earliest(), now))
	}
	return pause
}

// perform makes one fetch, puts its result in force, and has it saved.
func (r *Ring) perform(ctx context.Context, a *attempt) {
	old := r.current.Load()
	r.mu.Lock()
	asked := r.wanted
	r.wanted = map[string]time.Time{}
	latest := r.latest(asked, old)
	r.mu.Unlock()

	var validators upstream.Validators
	if old != nil {
		validators = old.validators
	}
	began := r.config().Now()
	answer, err := r.config().Fetch(ctx, validators, latest)
	next := old
	var withdrawn []*keyset.Key
	if err == nil {
		next, withdrawn, err = r.accept(old, &answer, began)
	}
	switch {
	case errors.Is(err, errOlder):
		r.outdated(old, asked, &answer, began)
	case err != nil:
		r.failed(ctx, asked, err)
	default:
		r.succeeded(next, asked, &answer)
	}
	if len(withdrawn) > 0 && r.config().Withdrawn != nil {
		r.config().Withdrawn(withdrawn)
	}
	r.finish(a)
	if err == nil {
		r.keep(next)
	}
}

// accept makes the set that replaces old from an answer. withdrawn are the keys that
// only old has. An error says why the answer cannot be used. The set is as old as the
// question, which was sent at began, because the host may have slept since; and older if
// a cache has answered.
func (r *Ring) accept(old *Snapshot, answer *upstream.KeySetResponse, began time.Time) (next *Snapshot, withdrawn []*keyset.Key, err error) {
	next = &Snapshot{fetched: began, made: began.Add(-counted(answer)), fresh: began.Add(r.interval(answer.MaxAge)), maxAge: answer.MaxAge, validators: answer.Validators}
	if old.repeats(answer) && old.Usable(began) && clock.Elapsed(old.made, began) < counted(answer) {
		next.made = old.made
	}
	if answer.NotModified && old != nil {
		next.set, next.body = old.set, old.body
	} else {
		set, err := keyset.ParseSet(answer.Body, r.config().Algorithms)
		if err != nil {
			return nil, nil, err
		}
		if !old.succeeds(answer, began) {
			return nil, nil, errOlder
		}
		if old != nil {
			withdrawn = set.Succeed(old.set)
		}
		next.set, next.body = set, answer.Body
	}
	return next, withdrawn, nil
}

// interval returns how long a set is fresh, by its Cache-Control if it has one.
func (r *Ring) interval(maxAge time.Duration) time.Duration {
	if maxAge < 0 {
		return r.config().Refresh
	}
	return min(max(maxAge, minRefresh), r.config().MaxAge)
}

// spread returns when a set that is fresh for a time is fetched again: always before the
// end of that time, so that a set is not called stale while a working refresh is on its way.
func spread(fresh time.Duration) time.Duration {
	return time.Duration(float64(fresh) * (1 - margin - jitter*rand.Float64()))
}

func (r *Ring) succeeded(next *Snapshot, asked map[string]time.Time, answer *upstream.KeySetResponse) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.put(r.timed(next)) // the rhythm may have changed meanwhile
	if r.failures > 0 {
		r.config().Log.Info("key set fetched again", "failures", r.failures)
	}
	r.counts.Fetches++
	r.failures, r.problem, r.failure.Over, r.older = 0, nil, true, false
	r.spare.Store(nil)
	r.backoff.Reset()
	r.plan(next.fetched.Add(spread(r.interval(answer.MaxAge))))
	r.settle(asked, next.set, next.fetched, answer.Age)
}

func (r *Ring) failed(ctx context.Context, asked map[string]time.Time, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ctx.Err() != nil {
		return // the daemon stops, so this says nothing about the upstream
	}
	if r.failures == 0 || r.problem != nil && err.Error() != r.problem.Error() {
		what, remedy := tell(err)
		r.config().Log.Error(what+", will be tried again: keys that are known stay in use for 24 hours; while there are none, lookups are answered keys-pending; "+remedy, "error", err)
	}
	r.failures++
	r.problem, r.failure = err, failureOf(err, r.config().Now())
	r.counts.Fetches++
	r.counts.Failures++
	pause := max(r.backoff.NextBackOff(), retryAfter(err))
	r.plan(r.config().Now().Add(pause))
	for kid, first := range asked { // these are not answered yet
		r.want(kid, first)
	}
}

// finish ends the attempt a and wakes those who wait for it.
func (r *Ring) finish(a *attempt) {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(a.done)
	r.attempt = nil
}

// stop ends the planned attempt, if there is one, because no more attempts will be made.
func (r *Ring) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.attempt != nil {
		close(r.attempt.done)
		r.attempt = nil
	}
	r.stopped = true
}

// nudge makes Run check at once.
func (r *Ring) nudge() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// retryAfter returns the pause that an upstream asked for, at most upstream.MaxRetryAfter, or 0.
func retryAfter(err error) time.Duration {
	var e *upstream.Error
	if errors.As(err, &e) {
		return min(e.RetryAfter, upstream.MaxRetryAfter)
	}
	return 0
}
