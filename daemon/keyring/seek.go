package keyring

import (
	"context"
	"time"

	"github.com/neonauthd/neonauthd/daemon/clock"
	"github.com/neonauthd/neonauthd/daemon/fair"
)

// MaxWanted is how many key ids are remembered between two fetches; lookups under
// others are Pending.
const MaxWanted = 1024

// Bounds of the search for unknown keys.
const (
	absentFor = 30 * time.Second // how long a key id that a fetch did not find is remembered
	maxAbsent = 4 * MaxWanted    // and as not found
)

// want remembers a key id until the next attempt begins. r.mu is held.
func (r *Ring) want(kid string) {
	if len(r.wanted) < MaxWanted {
		r.wanted[kid] = true
	}
}

// SeekResult is what Seek came to. The zero value is Pending.
type SeekResult uint8

// The findings.
const (
	Pending SeekResult = iota // nothing is proven: ask again later
	Changed                   // there is another set than the one tried: verify again
	Absent                    // a fetch that began after the question did not find the key
)

// Seek is asked when a token names a key that the set tried does not hold, when
// the key of that id there has not signed it and may be out of date, or when
// there is no usable set (tried is nil, kid empty). It joins the attempt
// under way, or causes one if the cooldown has passed, and never queues: inside
// the cooldown the answer is Pending and one attempt is deferred to its end.
// slow is called before it waits. who is the caller, and the time when asking again
// may help comes with Pending.
func (r *Ring) Seek(ctx context.Context, who fair.ID, kid string, tried *Snapshot, slow func()) (SeekResult, time.Duration) {
	// Twice: an attempt that was under way when we came proves nothing about
	// our key id, the one caused after it does.
	for range 2 {
		a, f, wait := r.join(who, kid, tried)
		if a == nil {
			return f, wait
		}
		slow()
		select {
		case <-a.done:
			r.leave(who, kid)
		case <-ctx.Done():
			r.leave(who, kid)
			return Pending, time.Second
		}
	}
	a, f, wait := r.join(who, kid, tried)
	if a != nil {
		r.leave(who, kid)
	}
	return f, wait
}

// join returns the attempt to wait for, or the finding if there is none.
func (r *Ring) join(who fair.ID, kid string, tried *Snapshot) (*attempt, SeekResult, time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.config.Now()
	if f := r.known(kid, tried, now); f != Pending {
		return nil, f, 0
	}
	if r.stopped {
		return nil, Pending, time.Second
	}
	if kid == "" { // no usable set: the rhythm of failing fetches decides
		if due := *r.due.Load(); r.attempt == nil && clock.Over(due, now) { // the host slept, or its clock was set
			r.attempt = &attempt{done: make(chan struct{})}
			r.nudge()
		}
		return r.attempt, Pending, max(time.Second, clock.Left(*r.due.Load(), now))
	}
	if tried == nil || tried.set.Find(kid) == nil {
		r.counts.UnknownKeyIDs++
	}
	r.want(kid)
	if !r.waiting.Take(who) {
		return nil, Pending, time.Second
	}
	if r.attempt == nil {
		r.nudge()
		if wait := clock.Left(r.earliest(), now); wait > 0 {
			r.waiting.Give(who)
			return nil, Pending, wait
		}
		r.attempt = &attempt{done: make(chan struct{})}
	}
	return r.attempt, Pending, 0
}

// leave ends the waiting of a lookup that join let wait.
func (r *Ring) leave(who fair.ID, kid string) {
	if kid == "" { // was not counted: no known key suffers
		return
	}
	r.waiting.Give(who)
}

// Confirmed reports whether the upstream has confirmed the set at or after since
// or within the cooldown: then what its keys have not signed is not signed.
func (r *Ring) Confirmed(tried *Snapshot, since, now time.Time) bool {
	return !tried.saved && (clock.Elapsed(tried.fetched, now) < r.config.Cooldown || !tried.fetched.Before(since))
}

// ConfirmedFor is how much longer what the set's keys have not signed is taken to be
// not signed, without another fetch.
func (r *Ring) ConfirmedFor(tried *Snapshot, now time.Time) time.Duration {
	return r.config.Cooldown - clock.Elapsed(tried.fetched, now)
}

// Known is what Seek would find without asking anybody and without waiting.
func (r *Ring) Known(kid string, tried *Snapshot) SeekResult {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.known(kid, tried, r.config.Now())
}

// known is Known; r.mu is held.
func (r *Ring) known(kid string, tried *Snapshot, now time.Time) SeekResult {
	if current := r.current.Load(); current != tried && current.Usable(now) {
		return Changed
	}
	if until, ok := r.absent[kid]; ok && !clock.Over(until, now) {
		return Absent
	}
	return Pending
}
