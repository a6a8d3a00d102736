package upstream

import (
	"context"
	"hash/maphash"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/neonauthd/neonauthd/daemon/clock"
	"github.com/neonauthd/neonauthd/daemon/fair"
)

// Bounds of the governor.
const (
	// firstPause is the pause after a 429 that names no time; it doubles with every further one up to longestPause.
	firstPause   = time.Second
	longestPause = 30 * time.Second
	// whenBusy is the hint given when all places are taken.
	whenBusy = time.Second
)

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
	// InFlight is the number of profile requests under way, Waiting the number of those that wait for their turn.
	InFlight, Waiting int
	// Sent and Refused count profile requests since the start: let through, and refused here.
	Sent, Refused uint64
}

// governor decides which profile requests go out. Safe for concurrent use.
type governor struct {
	now    func() time.Time
	budget *rate.Limiter

	mu        sync.Mutex
	maxWait   time.Duration // how long an interactive request may wait for its turn
	circuit   circuit
	paused    time.Time // no request before this instant
	throttled int       // answers 429 in a row
	unfit     unfit
	queue     queue
	sent      uint64
	refused   uint64
}

// MaxWait is how long an interactive request may wait for its turn at an upstream whose calls may take timeout.
func MaxWait(timeout time.Duration) time.Duration { return timeout / 3 }

// newGovernor returns a governor that lets nothing through before limit is called. The first call fills its budget.
func newGovernor(now func() time.Time) *governor {
	g := &governor{now: now, unfit: unfit{seed: maphash.MakeSeed()}}
	g.queue.own = map[fair.ID]int{}
	return g
}

// limit sets the budget, so many requests a second and burst of them at once, and how long a request of an upstream may
// take, timeout. What was spent stays spent, and a pause and the circuit stay.
func (g *governor) limit(timeout time.Duration, perSecond float64, burst int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.maxWait = MaxWait(timeout)
	if g.budget == nil {
		g.budget = rate.NewLimiter(rate.Limit(perSecond), burst)
		return
	}
	if g.budget.Limit() == rate.Limit(perSecond) && g.budget.Burst() == burst {
		return
	}
	g.unreserve() // its instant goes by the former rate
	now := g.now()
	g.budget.SetLimitAt(now, rate.Limit(perSecond))
	g.budget.SetBurstAt(now, burst)
	g.serve()
}

// turn is the right to send one request. end must be called exactly once.
type turn struct {
	governor   *governor
	who        fair.ID
	generation uint64
	about      string // whom the request is about; see unfit
}

// admit waits for a turn, no longer than maxWait, or refuses. A request that is not interactive does not wait. It is
// refused once half of the budget or of the places is taken, and so whenever an interactive request has to wait.
func (g *governor) admit(ctx context.Context, asker fair.Asker, p Priority) (turn, *Error) {
	e := g.closed()
	if e != nil {
		return turn{}, e
	}
	if p != Interactive {
		e = g.jump(asker.ID)
	} else {
		e = g.wait(ctx, asker)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if e == nil {
		// The pause or the trip of another request may have come while this one waited.
		if e = g.obstacleLocked(); e != nil {
			g.giveBack(asker.ID)
		}
	}
	if e != nil {
		g.refused++
		return turn{}, e
	}
	g.sent++
	return turn{governor: g, who: asker.ID, generation: g.circuit.enter()}, nil
}

// closed refuses a request if there is a pause or an open circuit, and counts the refusal. It returns nil if there is
// neither.
func (g *governor) closed() *Error {
	g.mu.Lock()
	defer g.mu.Unlock()
	e := g.obstacleLocked()
	if e != nil {
		g.refused++
	}
	return e
}

// obstacleLocked returns the refusal that a pause or an open circuit asks for, nil if there is neither. g.mu is held.
func (g *governor) obstacleLocked() *Error {
	now := g.now()
	if wait := clock.Left(g.paused, now); wait > 0 {
		if g.unfit.paused != nil {
			return g.unfit.paused.remembered(wait)
		}
		return &Error{Local: true, RetryAfter: wait, detail: "the upstream asked for a pause", outcome: silent}
	}
	if wait := g.circuit.refusal(now); wait > 0 {
		if g.unfit.tripped != nil {
			return g.unfit.tripped.remembered(wait)
		}
		return &Error{Local: true, RetryAfter: wait, detail: "the circuit is open, the upstream does not answer", outcome: silent}
	}
	return nil
}

// end gives the turn back and learns from the result: nil for an answer, otherwise the failure, to which it may add a
// retry hint.
func (t turn) end(e *Error) {
	g := t.governor
	g.mu.Lock()
	defer g.mu.Unlock()
	defer g.giveBack(t.who)
	o := healthy
	if e != nil {
		o = e.outcome
	}
	now := g.now()
	if t.generation == g.circuit.generation {
		o = g.unfit.judge(o, t.about, e)
	}
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
	if e == nil || e.Local || e.RetryAfter == 0 { // what was not sent has no answer that asks for a pause
		return
	}
	if until := now.Add(e.RetryAfter); until.After(g.paused) {
		g.paused = until
		g.unfit.paused = kept(e)
	}
}

// state returns a snapshot.
func (g *governor) state() GovernorState {
	now := g.now()
	g.mu.Lock()
	defer g.mu.Unlock()
	s := GovernorState{Budget: g.budget.TokensAt(now) + g.queue.ahead() - float64(g.queue.line.Len()), Burst: float64(g.budget.Burst())}
	s.Circuit = g.circuit.state(now)
	if s.Circuit == Open {
		s.OpenUntil = g.circuit.until
	}
	if !clock.Over(g.paused, now) {
		s.RetryUntil = g.paused
	}
	s.InFlight, s.Waiting = g.queue.inFlight, g.queue.line.Len()
	s.Sent, s.Refused = g.sent, g.refused
	return s
}
