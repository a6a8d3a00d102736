package fleet

import (
	"context"
	"errors"
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// How long a host goes on without the engine's word for a claim.
const (
	failuresToOpen = 3
	firstOpen      = time.Second
	lastOpen       = 10 * time.Second
	// maxCalls bounds the calls of claims under way, also those that nobody waits
	// for any more.
	maxCalls = 1024
	// maxOwn bounds the projects with a budget of this host's own.
	maxOwn = 1024
)

// claims are what claims have in common: a circuit while the engine is slow or
// away, and this host's own part of each budget meanwhile. Both go by the monotonic
// clock, so that no step of the wall clock lets more calls through. Safe for concurrent
// use.
type claims struct {
	now   func() time.Time
	calls chan struct{}
	group sync.WaitGroup // of calls that begin has let through; only grows with mu held, before over is true

	mu       sync.Mutex
	over     bool // the fleet ends or has other settings: no call begins any more
	failures int
	open     time.Duration // how long the circuit opens next
	until    time.Time     // zero: closed
	trying   bool          // one call tries whether the engine is back
	budgets  map[string]*rate.Limiter
	counted  ClaimStats
}

// ClaimStats count claims by their answers.
type ClaimStats struct {
	Have, Go, Alone, Pause, Budget uint64
	Wait                           uint64 // claims that waited for another host's fetch; each counts by its last answer too, unless its time was over
	Failed                         uint64 // calls of the engine that failed or took too long
	Open                           bool   // the engine is not asked at the moment
}

func newClaims(now func() time.Time) *claims {
	return &claims{now: now, calls: make(chan struct{}, maxCalls), open: firstOpen, budgets: map[string]*rate.Limiter{}}
}

// attempt is a call that the circuit lets through.
type attempt int

const (
	refused attempt = iota // the engine may not be asked now
	usual                  // the circuit is closed
	trial                  // the circuit is open, and this call tries whether the engine is back
)

// begin says whether the engine may be asked now. While the circuit is open, one call
// may, after a while. After close none may: lookups in flight still ask then. A call that
// may is in the group.
func (c *claims) begin() attempt {
	c.mu.Lock()
	defer c.mu.Unlock()
	as := usual
	switch {
	case c.over || !c.until.IsZero() && (c.now().Before(c.until) || c.trying):
		return refused
	case !c.until.IsZero():
		c.trying = true
		as = trial
	}
	c.group.Add(1)
	return as
}

var (
	errBusy = errors.New("too many claims are under way")
	errOpen = errors.New("the engine is not asked for a while")
)

// call runs one call of the engine, if the circuit lets it through, and waits no longer
// than timeout, even while the client is still dialling. A result that comes too late
// is dropped.
func (c *claims) call(ctx context.Context, timeout time.Duration, do func(context.Context) ([]string, error)) ([]string, error) {
	type outcome struct {
		said []string
		err  error
	}
	as := c.begin()
	if as == refused {
		return nil, errOpen
	}
	limited, cancel := context.WithTimeout(ctx, timeout)
	select {
	case c.calls <- struct{}{}:
	case <-limited.Done():
		cancel()
		c.ended(ctx, as, errBusy)
		c.group.Done()
		return nil, errBusy
	}
	done := make(chan outcome, 1)
	go func() {
		defer c.group.Done()
		defer func() { <-c.calls }()
		defer cancel()
		said, err := do(limited)
		done <- outcome{said, err}
	}()
	var o outcome
	select {
	case o = <-done:
	case <-limited.Done():
		o.err = limited.Err()
	}
	c.ended(ctx, as, o.err)
	return o.said, o.err
}

// ended learns from a call. A call whose asker has left says nothing about the
// engine. A call that had begun before the circuit opened, and fails later, is of the
// outage for which the circuit is open, and does not prolong it.
func (c *claims) ended(ctx context.Context, as attempt, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if as == trial {
		c.trying = false
	}
	switch {
	case err == nil:
		c.failures, c.open, c.until = 0, firstOpen, time.Time{}
		return
	case ctx.Err() != nil:
		return
	}
	c.counted.Failed++
	if c.failures++; as == trial || c.until.IsZero() && c.failures >= failuresToOpen {
		c.until = c.now().Add(c.open)
		c.open = min(2*c.open, lastOpen)
	}
}

// own takes a call from this host's part of a project's budget, which is
// divided evenly among the hosts, without a burst. It returns 0, or how long to
// wait if the part is spent.
func (c *claims) own(project string, perSecond float64, hosts int) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	part := rate.Limit(perSecond / float64(max(1, hosts)))
	b := c.budgets[project]
	if b == nil {
		if len(c.budgets) >= maxOwn {
			clear(c.budgets)
		}
		b = rate.NewLimiter(part, 1)
		c.budgets[project] = b
	}
	now := c.now()
	b.SetLimitAt(now, part)
	if b.AllowN(now, 1) {
		return 0
	}
	missing := (1 - b.TokensAt(now)) / float64(part)
	return max(time.Millisecond, time.Duration(min(missing, math.MaxInt32)*float64(time.Second)))
}

// note counts an answer.
func (c *claims) note(a Answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case a.Decision == Have:
		c.counted.Have++
	case a.Decision == Pause:
		c.counted.Pause++
	case a.Decision == Budget:
		c.counted.Budget++
	case a.Flight.Alone():
		c.counted.Alone++
	default:
		c.counted.Go++
	}
}

// noteWait counts a claim that begins to wait for another host's fetch.
func (c *claims) noteWait() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counted.Wait++
}

func (c *claims) stats() ClaimStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.counted
	s.Open = !c.until.IsZero()
	return s
}

// close returns when no call is under way. No call begins after it: each asker decides
// without the engine.
func (c *claims) close() {
	c.mu.Lock()
	c.over = true
	c.mu.Unlock()
	c.group.Wait()
}
