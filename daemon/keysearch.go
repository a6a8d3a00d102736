package daemon

import (
	"context"
	"time"

	"github.com/neonauthd/neonauthd/daemon/clock"
	"github.com/neonauthd/neonauthd/daemon/fair"
)

// Bounds of the search for unknown keys.
const (
	keysAbsentFor  = 30 * time.Second  // how long a key id that a fetch did not find is remembered
	keysMaxWanted  = 1024              // key ids remembered between two fetches
	keysMaxAbsent  = 4 * keysMaxWanted // and as not found
	keysMaxWaiting = 512               // lookups of unknown keys that wait for a fetch; flights for known ones are left

	keysWaitingKept = keysMaxWaiting / 8 // of them, for callers that have few
)

// want remembers a key id until the next attempt begins. k.mu is held.
func (k *keysets) want(kid string) {
	if len(k.wanted) < keysMaxWanted {
		k.wanted[kid] = true
	}
}

// finding is what seek came to.
type finding uint8

const (
	keysPending finding = iota // nothing is proven: ask again later
	keysChanged                // there is another set than the one tried: verify again
	keyAbsent                  // a fetch that began after the question did not find the key
)

// seek is asked when a token names a key that the set tried does not hold, when
// the key of that id there has not signed it and may be out of date, or when
// there is no usable set (tried is nil, kid empty). It joins the attempt
// under way, or causes one if the cooldown has passed, and never queues: inside
// the cooldown the answer is keysPending and one attempt is deferred to its end.
// slow is called before it waits.
func (k *keysets) seek(ctx context.Context, who fair.ID, kid string, tried *keys, slow func()) (finding, time.Duration) {
	// Twice: an attempt that was under way when we came proves nothing about
	// our key id, the one caused after it does.
	for range 2 {
		a, f, wait := k.join(who, kid, tried)
		if a == nil {
			return f, wait
		}
		slow()
		select {
		case <-a.done:
			k.leave(who, kid)
		case <-ctx.Done():
			k.leave(who, kid)
			return keysPending, time.Second
		}
	}
	a, f, wait := k.join(who, kid, tried)
	if a != nil {
		k.leave(who, kid)
	}
	return f, wait
}

// join returns the attempt to wait for, or the finding if there is none.
func (k *keysets) join(who fair.ID, kid string, tried *keys) (*attempt, finding, time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	if current := k.current.Load(); current != tried && current.usable(now) {
		return nil, keysChanged, 0
	}
	if until, ok := k.absent[kid]; ok && !clock.Over(until, now) {
		return nil, keyAbsent, 0
	}
	if k.stopped {
		return nil, keysPending, time.Second
	}
	if kid == "" { // no usable set: the rhythm of failing fetches decides
		if due := *k.due.Load(); k.attempt == nil && clock.Over(due, now) { // the host slept, or its clock was set
			k.attempt = &attempt{done: make(chan struct{})}
			k.nudge()
		}
		return k.attempt, keysPending, max(time.Second, clock.Left(*k.due.Load(), now))
	}
	if tried == nil || tried.set.Find(kid) == nil {
		k.counts.UnknownKeyIDs++
	}
	k.want(kid)
	if !k.waiting.Take(who) {
		return nil, keysPending, time.Second
	}
	if k.attempt == nil {
		k.nudge()
		if wait := clock.Left(k.earliest(), now); wait > 0 {
			k.waiting.Give(who)
			return nil, keysPending, wait
		}
		k.attempt = &attempt{done: make(chan struct{})}
	}
	return k.attempt, keysPending, 0
}

// leave ends the waiting of a lookup that join let wait.
func (k *keysets) leave(who fair.ID, kid string) {
	if kid == "" { // was not counted: no known key suffers
		return
	}
	k.waiting.Give(who)
}

// confirmed reports whether the upstream has confirmed the set at or after since
// or within the cooldown: then what its keys have not signed is not signed.
func (k *keysets) confirmed(tried *keys, since, now time.Time) bool {
	return !tried.saved && (clock.Elapsed(tried.fetched, now) < k.cooldown || !tried.fetched.Before(since))
}

// provenAbsent reports whether a fetch has shown that no key has that id.
func (k *keysets) provenAbsent(kid string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	until, ok := k.absent[kid]
	return ok && !clock.Over(until, k.now())
}
