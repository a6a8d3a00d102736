package fair

import (
	"maps"
	"sync"
	"time"
)

// Allowance lets each asker do something so often: a number of times at once, and then at a steady rate. Safe for
// concurrent use; use NewAllowance.
type Allowance struct {
	now   func() time.Time
	every time.Duration // between two at the steady rate
	burst time.Duration // how far ahead of the steady rate an asker may be
	most  int

	mu   sync.Mutex
	next map[Asker]time.Time // when the asker is no more ahead of the steady rate
	look int                 // how many there may be before it is looked who can be forgotten
}

// NewAllowance returns an Allowance of burst times at once and then one each so often, for at most so many askers at one
// time. The clock is asked by now. burst and most are at least 1.
func NewAllowance(now func() time.Time, burst int, every time.Duration, most int) *Allowance {
	return &Allowance{now: now, every: every, burst: time.Duration(burst-1) * every, most: most, next: map[Asker]time.Time{}}
}

// minRemembered is how many askers are remembered before the first look who can be forgotten.
const minRemembered = 64

// Allow takes one from the asker's allowance, or reports that it is used up. While there are as many askers as can be
// remembered who have not made up for what they took, a new one is refused as well.
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
