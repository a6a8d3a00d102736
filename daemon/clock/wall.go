package clock

import (
	"sync"
	"time"
)

// Tolerance is how far the wall clock may differ from an upstream's clock and
// still agree with it. Hosts with synchronised clocks differ by less. A
// difference at which an issuer's tokens are rejected, even with a generous
// leeway, is larger.
const Tolerance = 10 * time.Second

// dateResolution is how much a Date header may be rounded down by (RFC 9110
// section 5.6.7).
const dateResolution = time.Second

// Testimony is what an upstream's answer tells about the time.
type Testimony struct {
	// Date is when the upstream made the answer, by its own clock.
	Date time.Time
	// Age is how long the answer may have been in caches since Date; 0: no
	// header says so.
	Age time.Duration
	// Asked and Answered are when the question was sent and when the answer
	// came, by this host's clock.
	Asked, Answered time.Time
}

// Ahead returns how far this host's wall clock was ahead of the upstream's when
// the answer came; below zero: behind. The answer was made at an unknown time
// between the question and its arrival, so a difference that this can explain
// counts as 0.
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
// start, or is set wrong later, does not become right by running; an upstream
// has to tell the same time. The zero value has heard no upstream. It is safe
// for concurrent use.
type Wall struct {
	mu    sync.Mutex
	heard bool
	last  Testimony
}

// Hear takes a testimony. The testimony whose answer came last counts.
func (w *Wall) Hear(t Testimony) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.heard || Awake(w.last.Answered, t.Answered) >= 0 {
		w.heard, w.last = true, t
	}
}

// Confirmed returns the latest instant that both the wall clock and the upstreams
// have reached. This is the earlier of two: the wall clock's reading, and the last
// Date header plus the time that this process has seen pass since. The instant may
// be behind the right time, by at most the time that the host has slept since an
// upstream last answered, or by as much as the wall clock is behind. It is ahead of
// the right time only if both are. ok is false if no upstream has told the time.
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

// Passed reports whether the instant until is certainly reached, so that a thing
// that was to be kept until then may be forgotten. The wall clock has to say so.
// Besides, either Confirmed has to say so, or this process has kept the thing for
// its whole term. since is when the process made or read the thing, with both
// readings, and term is the time from when the thing was made to until.
//
// So a host whose upstreams never tell the time forgets too, but later. A wrong
// clock alone makes the host forget nothing, neither at a start nor after a step.
func (w *Wall) Passed(until, since time.Time, term time.Duration, now time.Time) bool {
	if now.Round(0).Before(until.Round(0)) {
		return false
	}
	if at, ok := w.Confirmed(now); ok && !at.Before(until.Round(0)) {
		return true
	}
	return Awake(since, now) >= term
}
