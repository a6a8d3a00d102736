package clock

import (
	"sync"
	"time"
)

// Tolerance is how far the wall clock may be from an upstream's and still agree
// with it. It is more than what hosts that keep the time differ by, and less
// than what rejects tokens of an issuer with a generous leeway.
const Tolerance = 10 * time.Second

// dateResolution is by how much a Date header may be rounded down (RFC 9110
// section 5.6.7).
const dateResolution = time.Second

// Testimony is what an upstream's answer says of the time.
type Testimony struct {
	// Date is when the upstream made the answer, by its own clock.
	Date time.Time
	// Age is how long the answer may have lain in caches since; 0 if none says.
	Age time.Duration
	// Asked and Answered are when the question went out and when the answer
	// came, by this host's clock.
	Asked, Answered time.Time
}

// Ahead is how far this host's wall clock was ahead of the upstream's when the
// answer came; below zero if it was behind. It is 0 as far as cannot be told:
// the answer was made at some time between the question and its arrival.
func (t *Testimony) Ahead() time.Duration {
	earliest := t.Date
	latest := t.Date.Add(dateResolution + t.Age + max(0, Elapsed(t.Asked, t.Answered)))
	switch at := t.Answered.Round(0); {
	case at.Before(earliest):
		return at.Sub(earliest)
	case at.After(latest):
		return at.Sub(latest)
	}
	return 0
}

// Wall knows how far the wall clock is confirmed. A clock that is wrong at the
// start, or set wrong later, is not confirmed by running: it takes an upstream
// that says the same. The zero value has heard of none. Safe for concurrent use.
type Wall struct {
	mu    sync.Mutex
	heard bool
	last  Testimony
}

// Hear takes a testimony. The one whose answer came last counts.
func (w *Wall) Hear(t Testimony) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.heard || Awake(w.last.Answered, t.Answered) >= 0 {
		w.heard, w.last = true, t
	}
}

// Confirmed returns the latest instant that has come both by the wall clock and
// by the upstreams' word: the earlier of the wall clock's reading and of the
// last Date header with the time that this process has seen pass since. It may
// be late, by no more than the host slept since an upstream last answered or the
// wall clock is behind; it is not early unless both are. Not ok means that no
// upstream has told the time.
func (w *Wall) Confirmed(now time.Time) (at time.Time, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.heard {
		return time.Time{}, false
	}
	at = w.last.Date.Add(Awake(w.last.Answered, now))
	if wall := now.Round(0); wall.Before(at) {
		at = wall
	}
	return at, true
}

// Passed reports whether the instant until has certainly come, so that what was
// to be kept till then may be forgotten. The wall clock has to say so, and
// besides it either Confirmed, or that this process has kept the thing for its
// whole term: since is when the process made or read it, with both readings, and
// term is the time from when it was made to until.
//
// So a host whose upstreams never tell the time forgets too, only later, and a
// wrong clock alone forgets nothing, neither at a start nor by a step.
func (w *Wall) Passed(until, since time.Time, term time.Duration, now time.Time) bool {
	if now.Round(0).Before(until.Round(0)) {
		return false
	}
	if at, ok := w.Confirmed(now); ok && !at.Before(until.Round(0)) {
		return true
	}
	return Awake(since, now) >= term
}
