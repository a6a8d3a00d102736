package fair

import (
	"maps"
	"sync"
	"time"
)

// Allowance limits how often each asker may do something: a number of times at once, and then at a steady rate. It is
// safe for concurrent use. Make it with NewAllowance.
type Allowance struct {
	now   func() time.Time
	every time.Duration // interval of the steady rate
	burst time.Duration // how far ahead of the steady rate an asker may be
	most  int

	mu   sync.Mutex
	next map[Asker]time.Time // when the asker is not ahead of the steady rate any more
	look int                 // with that many askers, room looks again which ones can be forgotten
}

// NewAllowance returns an Allowance of burst times at once, and then of once per every. most is the largest number of
// askers at the same time. now returns the time. burst and most must be at least 1.
func NewAllowance(now func() time.Time, burst int, every time.Duration, most int) *Allowance {
	return &Allowance{now: now, every: every, burst: time.Duration(burst-1) * every, most: most, next: map[Asker]time.Time{}}
}

// minRemembered is how many askers are remembered before room first looks which ones can be forgotten.
const minRemembered = 64

// Allow takes one from the asker's allowance, or returns false if the allowance is used up. A new asker is also refused
// while as many askers as can be remembered are ahead of the steady rate.
func (a *Allowance) Allow(asker Asker) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	next, known := a.next[asker]
	if next.Before(now) {
		next = now
	}
	if next.Sub(now) > a.burst || !known && !a.room(now) {
		return false
	}
	a.next[asker] = next.Add(a.every)
	return true
}

// room makes room for one more asker. It forgets the askers whose allowance is full again. a.mu is held.
func (a *Allowance) room(now time.Time) bool {
	if len(a.next) >= min(a.most, max(minRemembered, a.look)) {
		maps.DeleteFunc(a.next, func(_ Asker, next time.Time) bool { return !next.After(now) })
		a.look = 2 * len(a.next)
	}
	return len(a.next) < a.most
}
