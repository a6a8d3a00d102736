package fair

import (
	"maps"
	"sync"
	"time"
)

// Allowance limits how often each asker may do something: a number of times at once, and then at a steady rate. The
// askers that it remembers are divided among callers, because a caller can name as many askers as it likes. It is safe
// for concurrent use. Make it with NewAllowance.
type Allowance struct {
	now    func() time.Time
	every  time.Duration // interval of the steady rate
	burst  time.Duration // how far ahead of the steady rate an asker may be
	shares Shares        // of the askers that are remembered

	mu    sync.Mutex
	next  map[Asker]time.Time // when the asker is not ahead of the steady rate any more
	own   map[ID]int          // how many askers of next each caller has
	look  int                 // with that many askers, room looks again which ones can be forgotten
	swept time.Time           // when room last looked; zero: never
}

// NewAllowance returns an Allowance of burst times at once, and then of once per every. shares divides the askers that
// may be ahead of the steady rate at the same time. now returns the time. burst must be at least 1.
func NewAllowance(now func() time.Time, burst int, every time.Duration, shares Shares) *Allowance {
	return &Allowance{now: now, every: every, burst: time.Duration(burst-1) * every, shares: shares, next: map[Asker]time.Time{}, own: map[ID]int{}}
}

// minRemembered is how many askers are remembered before room first looks which ones can be forgotten.
const minRemembered = 64

// Allow takes one from the asker's allowance, or returns false if the allowance is used up. A new asker is also refused
// while as many askers as the caller may have, or as can be remembered in all, are ahead of the steady rate.
func (a *Allowance) Allow(asker Asker) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	next, known := a.next[asker]
	if next.Before(now) {
		next = now
	}
	if next.Sub(now) > a.burst || !known && !a.room(asker.ID, now) {
		return false
	}
	if !known {
		a.own[asker.ID]++
	}
	a.next[asker] = next.Add(a.every)
	return true
}

// room makes room for one more asker of the caller, and reports whether there is any. a.mu is held.
func (a *Allowance) room(who ID, now time.Time) bool {
	if len(a.next) >= max(minRemembered, a.look) || !a.admits(who) {
		a.sweep(now)
	}
	return a.admits(who)
}

// admits reports whether one more asker of the caller can be remembered. a.mu is held.
func (a *Allowance) admits(who ID) bool { return a.shares.Admit(a.own[who], len(a.next), 1) }

// sweep forgets the askers whose allowance is full again, at most once per every: it reads all askers, so the askers
// that are refused must not each cause a sweep. a.mu is held.
func (a *Allowance) sweep(now time.Time) {
	if !a.swept.IsZero() && now.Sub(a.swept) < a.every {
		return
	}
	a.swept = now
	maps.DeleteFunc(a.next, func(asker Asker, next time.Time) bool {
		full := !next.After(now)
		if full {
			drop(a.own, asker.ID)
		}
		return full
	})
	a.look = 2 * len(a.next)
}
