package keyring

import (
	"context"
	"time"

	"github.com/neonauthd/neonauthd/daemon/clock"
	"github.com/neonauthd/neonauthd/daemon/fair"
)

// MaxWanted is how many key ids are remembered between two fetches. Lookups for
// other key ids are Pending.
const MaxWanted = 1024

// Bounds of the search for unknown keys.
const (
	// minAbsence and maxAbsence bound how long a key id that a fetch did not find is
	// remembered. minAbsence is enough for a client that was told Pending and asks again
	// after the least retry-after, which is 1 s.
	minAbsence = 2 * time.Second
	maxAbsence = 30 * time.Second
	maxAbsent  = 4 * MaxWanted // how many key ids are remembered as not found
)

// absence returns how long a key id that a fetch did not find is remembered. It is not
// longer than the cooldown: after the cooldown another fetch is allowed, and may find the
// key.
func (r *Ring) absence() time.Duration {
	return min(max(r.config().Cooldown, minAbsence), maxAbsence)
}

// want remembers until the next attempt begins that a key id is asked for at now, or was
// first asked for earlier. r.mu is held.
func (r *Ring) want(kid string, now time.Time) {
	if first, known := r.wanted[kid]; known {
		now = first
	} else if s, known := r.met[kid]; known {
		now = s.first
	}
	if len(r.wanted) < MaxWanted {
		r.wanted[kid] = now
	}
}

// SeekResult is the result of Seek. The zero value is Pending.
type SeekResult uint8

// The results.
const (
	Pending SeekResult = iota // nothing is proved: ask again later
	Changed                   // there is another set than the tried one: verify again
	Absent                    // a set that was made after the daemon first met this key id does not have the key
)

// Search is one lookup that seeks keys. It is for one goroutine.
type Search struct {
	Who     fair.ID // the caller
	Slow    func()  // called before Seek waits; nil: nothing is called
	counted bool    // among the lookups of unknown keys
}

// Seek looks for a key that the tried set lacks. It is also for the key of a token that
// names none or was signed by another than the named one, which may be out of date (kid is
// the token's TokenID), and for a missing or unusable set (kid is empty). Seek waits for the attempt in progress, or causes one
// if the cooldown has passed. Within the cooldown it does not wait: it returns
// Pending, and one attempt is planned for the end of the cooldown. With Pending
// comes the time after which asking again may help. All calls for one lookup have the same
// Search.
func (r *Ring) Seek(ctx context.Context, search *Search, kid string, tried *Snapshot) (SeekResult, time.Duration) {
	// Twice: an attempt that was in progress at the call proves nothing about kid.
	// The attempt that Seek causes after it does.
	for range 2 {
		a, f, wait := r.join(search, kid, tried)
		if a == nil {
			return f, wait
		}
		if search.Slow != nil {
			search.Slow()
		}
		select {
		case <-a.done:
			r.leave(search.Who, kid)
		case <-ctx.Done():
			r.leave(search.Who, kid)
			return Pending, time.Second
		}
	}
	a, f, wait := r.join(search, kid, tried)
	if a != nil {
		r.leave(search.Who, kid)
	}
	return f, wait
}

// join returns the attempt to wait for, or the result if there is none.
func (r *Ring) join(search *Search, kid string, tried *Snapshot) (*attempt, SeekResult, time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.config().Now()
	if f := r.known(kid, tried, now); f != Pending {
		return nil, f, 0
	}
	if r.stopped {
		return nil, Pending, time.Second
	}
	if kid == "" { // no usable set: the next attempt comes at the interval of failing fetches
		if due := *r.due.Load(); r.attempt == nil && clock.Over(due, now) { // the host has slept, or its clock was set
			r.attempt = &attempt{done: make(chan struct{})}
			r.nudge()
		}
		return r.attempt, Pending, max(time.Second, clock.Left(*r.due.Load(), now))
	}
	if !search.counted && tried.lacks(keyID(kid)) {
		search.counted = true
		r.counts.UnknownKeyIDs++
	}
	r.want(kid, now)
	if !r.waiting.Take(search.Who) {
		return nil, Pending, time.Second
	}
	if r.attempt == nil {
		r.nudge()
		if wait := clock.Left(r.earliest(), now); wait > 0 {
			r.waiting.Give(search.Who)
			return nil, Pending, wait
		}
		r.attempt = &attempt{done: make(chan struct{})}
	}
	return r.attempt, Pending, 0
}

// leave gives back the place of a lookup that has waited.
func (r *Ring) leave(who fair.ID, kid string) {
	if kid == "" { // it took no place: without a usable set there are no lookups of known keys to protect
		return
	}
	r.waiting.Give(who)
}

// Confirmed reports whether the upstream has made or confirmed the set at or after since,
// or within the cooldown. Then a signature that none of its keys has made is bad.
func (r *Ring) Confirmed(tried *Snapshot, since, now time.Time) bool {
	return !tried.saved && (clock.Elapsed(tried.made, now) < r.config().Cooldown || !tried.made.Before(since))
}

// ConfirmedFor returns for how much longer a signature that none of the set's keys has
// made counts as bad without another fetch.
func (r *Ring) ConfirmedFor(tried *Snapshot, now time.Time) time.Duration {
	return r.config().Cooldown - clock.Elapsed(tried.made, now)
}

// Known returns what Seek would return without a fetch and without waiting.
func (r *Ring) Known(kid string, tried *Snapshot) SeekResult {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.known(kid, tried, r.config().Now())
}

// known does what Known does; r.mu is held.
func (r *Ring) known(kid string, tried *Snapshot, now time.Time) SeekResult {
	if current := r.current.Load(); current != tried && current.Usable(now) {
		return Changed
	}
	if until, ok := r.absent[kid]; ok && !clock.Over(until, now) {
		return Absent
	}
	return Pending
}
