package upstream

import (
	"context"
	"math"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
	"golang.org/x/time/rate"

	"github.com/neonauthd/neonauthd/daemon/clock"
)

// Bounds of the governor.
const (
	// firstPause is the pause after a 429 that names no time; it doubles with every further one up to longestPause.
	firstPause   = time.Second
	longestPause = 30 * time.Second
	// whenBusy is the hint given when all places are taken.
	whenBusy = time.Second
)

// CircuitState is the state of a project's circuit.
type CircuitState uint8

// The states. A closed circuit lets requests through.
const (
	// Closed: the upstream answers.
	Closed CircuitState = iota
	// HalfOpen: one request may try, or is trying, whether it answers again.
	HalfOpen
	// Open: it does not answer, and nothing is sent.
	Open
)

// String returns the state's name in lower case.
func (s CircuitState) String() string {
	switch s {
	case HalfOpen:
		return "half-open"
	case Open:
		return "open"
	default:
		return "closed"
	}
}

// GovernorState is a snapshot for statistics.
type GovernorState struct {
	// Budget is the number of profile requests that could start at once, Burst its upper bound. Budget is below zero
	// while requests wait for their share.
	Budget, Burst float64
	// Circuit is the state of the circuit, OpenUntil when it lets the next request try; zero unless Open.
	Circuit   CircuitState
	OpenUntil time.Time
	// RetryUntil is the end of a pause that the upstream asked for; zero if there is none.
	RetryUntil time.Time
	// InFlight is the number of profile requests under way, Waiting of those waiting for their turn.
	InFlight, Waiting int
	// Sent and Refused count profile requests since the start: let through, and refused here.
	Sent, Refused uint64
}

// governor decides which profile requests go out. Safe for concurrent use.
type governor struct {
	now      func() time.Time
	patience time.Duration // how long an interactive request may wait for its turn
	budget   *rate.Limiter
	places   *semaphore.Weighted

	mu        sync.Mutex
	circuit   circuit
	paused    time.Time // no request before this instant
	throttled int       // answers 429 in a row
	inFlight  int
	waiting   int
	sent      uint64
	refused   uint64
}

func newGovernor(config Config) *governor {
	return &governor{
		now:      config.Now,
		patience: config.Timeout / 3,
		budget:   rate.NewLimiter(rate.Limit(config.Rate), int(max(1, math.Ceil(config.Rate)))),
		places:   semaphore.NewWeighted(MaxConcurrent),
	}
}

// turn is the right to send one request. end must be called exactly once.
type turn struct {
	governor   *governor
	generation uint64
}

// admit waits for a turn, no longer than patience, or refuses. A background request does not wait at all, and is
// refused once half of the budget or of the places is gone, so also whenever an interactive one has to wait.
func (g *governor) admit(ctx context.Context, p Priority) (turn, *Error) {
	if e := g.obstacle(); e != nil {
		return turn{}, g.refuse(e)
	}
	var e *Error
	if p == Background {
		e = g.queueJump()
	} else {
		e = g.queue(ctx)
	}
	if e != nil {
		return turn{}, g.refuse(e)
	}
	// The pause or the trip of another request may have come while this one waited.
	g.mu.Lock()
	defer g.mu.Unlock()
	if e := g.obstacleLocked(); e != nil {
		g.places.Release(1)
		g.refused++
		return turn{}, e
	}
	g.sent++
	g.inFlight++
	return turn{g, g.circuit.enter()}, nil
}

// queue takes a share of the budget and a place, waiting for both if need be.
func (g *governor) queue(ctx context.Context) *Error {
	g.count(&g.waiting, 1)
	defer g.count(&g.waiting, -1)
	patient, cancel := context.WithTimeout(ctx, g.patience)
	defer cancel()
	now := g.now()
	share := g.budget.ReserveN(now, 1)
	if delay := share.DelayFrom(now); delay > g.patience {
		share.CancelAt(now)
		return &Error{Local: true, RetryAfter: delay, detail: "the budget of requests is spent", outcome: silent}
	} else if delay > 0 {
		timer := time.NewTimer(delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			share.CancelAt(g.now())
			return abandoned(ctx)
		}
	}
	if g.places.TryAcquire(1) || g.places.Acquire(patient, 1) == nil {
		return nil
	}
	share.CancelAt(g.now())
	if ctx.Err() != nil {
		return abandoned(ctx)
	}
	return &Error{Local: true, RetryAfter: whenBusy, detail: "too many requests under way", outcome: silent}
}

// queueJump takes a share and a place if there are enough of both to leave some for people who wait.
func (g *governor) queueJump() *Error {
	now := g.now()
	g.mu.Lock()
	crowded := g.inFlight >= MaxConcurrent/2
	g.mu.Unlock()
	kept := float64(g.budget.Burst() / 2)
	if missing := kept + 1 - g.budget.TokensAt(now); missing > 0 {
		wait := time.Duration(missing / float64(g.budget.Limit()) * float64(time.Second))
		return &Error{Local: true, RetryAfter: wait, detail: "the background's share of the budget is spent", outcome: silent}
	}
	if crowded || !g.places.TryAcquire(1) {
		return &Error{Local: true, RetryAfter: whenBusy, detail: "interactive requests come first", outcome: silent}
	}
	if !g.budget.AllowN(now, 1) {
		g.places.Release(1)
		return &Error{Local: true, RetryAfter: whenBusy, detail: "the budget of requests is spent", outcome: silent}
	}
	return nil
}

// obstacle returns the refusal that a pause or an open circuit asks for, nil if there is neither.
func (g *governor) obstacle() *Error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.obstacleLocked()
}

func (g *governor) obstacleLocked() *Error {
	now := g.now()
	if wait := clock.Left(g.paused, now); wait > 0 {
		return &Error{Local: true, RetryAfter: wait, detail: "the upstream asked for a pause", outcome: silent}
	}
	if wait := g.circuit.refusal(now); wait > 0 {
		return &Error{Local: true, RetryAfter: wait, detail: "the circuit is open, the upstream does not answer", outcome: silent}
	}
	return nil
}

func (g *governor) refuse(e *Error) *Error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refused++
	return e
}

func (g *governor) count(n *int, by int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	*n += by
}

// end gives the turn back and learns from the result: nil for an answer, else the failure, whose retry hint it may
// complete.
func (t turn) end(e *Error) {
	g := t.governor
	defer g.places.Release(1)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inFlight--
	o := healthy
	if e != nil {
		o = e.outcome
	}
	now := g.now()
	g.circuit.leave(t.generation, o, now)
	switch {
	case e != nil && e.Status == http.StatusTooManyRequests:
		if e.RetryAfter == 0 {
			e.RetryAfter = min(firstPause<<min(g.throttled, 8), longestPause)
		}
		g.throttled++
	case o == healthy:
		g.throttled = 0
	}
	if e == nil || e.RetryAfter == 0 {
		return
	}
	if until := now.Add(e.RetryAfter); until.After(g.paused) {
		g.paused = until
	}
}

// state returns a snapshot.
func (g *governor) state() GovernorState {
	now := g.now()
	s := GovernorState{Budget: g.budget.TokensAt(now), Burst: float64(g.budget.Burst())}
	g.mu.Lock()
	defer g.mu.Unlock()
	s.Circuit = g.circuit.state(now)
	if s.Circuit == Open {
		s.OpenUntil = g.circuit.until
	}
	if !clock.Over(g.paused, now) {
		s.RetryUntil = g.paused
	}
	s.InFlight, s.Waiting = g.inFlight, g.waiting
	s.Sent, s.Refused = g.sent, g.refused
	return s
}
