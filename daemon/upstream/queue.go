package upstream

import (
	"context"
	"time"

	"golang.org/x/time/rate"

	"github.com/neonauthd/neonauthd/daemon/fair"
)

// lateness is added to the longest wait of a request whose turn is expected just before the end of it.
const lateness = 50 * time.Millisecond

// queue holds the requests that wait for a share of a governor's budget and for a place in flight. Callers take turns,
// so that a caller with many requests takes only its own part of what the upstream can bear. The governor's mutex
// guards it.
type queue struct {
	line     fair.Line
	inFlight int
	own      map[fair.ID]int // of inFlight, of those who have any

	share *rate.Reservation // the share of the caller whose turn is next; nil: none is reserved
	due   bool              // the share may be used now
	timer *time.Timer       // sets due
}

// ahead is how many shares are reserved and not used yet.
func (q *queue) ahead() float64 {
	if q.share != nil {
		return 1
	}
	return 0
}

// may reports whether the caller may have one more request in flight.
func (q *queue) may(who fair.ID) bool {
	return fair.Calls().Admit(q.own[who], q.inFlight, 1)
}

func (q *queue) take(who fair.ID) {
	q.own[who]++
	q.inFlight++
}

// wait takes a share of the budget and a place when it is the asker's turn.
func (g *governor) wait(ctx context.Context, asker fair.Asker) *Error {
	g.mu.Lock()
	expected, limit := g.expectedWait(asker), g.maxWait
	switch {
	case expected > limit:
		g.mu.Unlock()
		return &Error{Local: true, RetryAfter: expected, detail: "the budget of requests is spent", outcome: silent}
	case expected > limit-lateness:
		limit += lateness
	}
	w := g.queue.line.Join(asker)
	g.serve()
	g.mu.Unlock()
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	select {
	case <-w.Ready:
		return nil
	case <-limited.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	switch left := g.queue.line.Leave(w); {
	case !left && ctx.Err() == nil: // its turn came at the same time
		return nil
	case !left:
		g.giveBack(asker.ID)
	default:
		g.rest()
	}
	if ctx.Err() != nil {
		return abandoned(ctx)
	}
	return &Error{Local: true, RetryAfter: whenBusy, detail: "too many requests under way", outcome: silent}
}

// expectedWait is how long the asker would have to wait for its share, if nobody came or left meanwhile. g.mu is held.
func (g *governor) expectedWait(asker fair.Asker) time.Duration {
	missing := float64(g.queue.line.Ahead(asker)+1) - g.queue.ahead() - g.budget.TokensAt(g.now())
	return time.Duration(missing / float64(g.budget.Limit()) * float64(time.Second))
}

// serve gives turns to those who wait, as far as there are shares and places, and sees to it that the next share
// arrives. g.mu is held.
func (g *governor) serve() {
	q := &g.queue
	for q.line.Waits(q.may) {
		if q.share == nil {
			g.reserve()
		}
		if !q.due {
			return
		}
		w := q.line.Next(q.may)
		q.share, q.due = nil, false
		q.take(w.Asker().ID)
		close(w.Ready)
	}
}

// reserve takes the next share out of the budget, and starts the timer that sets due. g.mu is held.
func (g *governor) reserve() {
	q, now := &g.queue, g.now()
	share := g.budget.ReserveN(now, 1)
	q.share = share
	delay := share.DelayFrom(now)
	if q.due = delay <= 0; q.due {
		return
	}
	q.timer = time.AfterFunc(delay, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if q.share == share {
			q.due = true
			g.serve()
		}
	})
}

// rest gives back a share that is not due yet if nobody waits for it any more. g.mu is held.
func (g *governor) rest() {
	if g.queue.line.Len() == 0 {
		g.unreserve()
	}
}

// unreserve gives back a share that is not due yet. g.mu is held.
func (g *governor) unreserve() {
	q := &g.queue
	if q.share == nil || q.due {
		return
	}
	q.timer.Stop()
	q.share.CancelAt(g.now())
	q.share = nil
}

// giveBack ends a request in flight. g.mu is held.
func (g *governor) giveBack(who fair.ID) {
	q := &g.queue
	if q.own[who]--; q.own[who] == 0 {
		delete(q.own, who)
	}
	q.inFlight--
	g.serve()
}

// jump takes a share and a place if there are enough of both to leave some for people who wait.
func (g *governor) jump(who fair.ID) *Error {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	kept := float64(g.budget.Burst() / 2)
	if missing := kept + 1 - g.budget.TokensAt(now); missing > 0 {
		wait := time.Duration(missing / float64(g.budget.Limit()) * float64(time.Second))
		return &Error{Local: true, RetryAfter: wait, detail: "the background's share of the budget is spent", outcome: silent}
	}
	if g.queue.inFlight >= MaxConcurrent/2 || g.queue.line.Len() > 0 || !g.queue.may(who) {
		return &Error{Local: true, RetryAfter: whenBusy, detail: "interactive requests come first", outcome: silent}
	}
	if !g.budget.AllowN(now, 1) {
		return &Error{Local: true, RetryAfter: whenBusy, detail: "the budget of requests is spent", outcome: silent}
	}
	g.queue.take(who)
	return nil
}
