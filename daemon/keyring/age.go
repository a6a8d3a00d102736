package keyring

import (
	"bytes"
	"errors"
	"strings"
	"time"

	"github.com/neonauthd/neonauthd/daemon/clock"
	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/daemon/upstream"
)

// A cache on the way to the upstream may answer a fetch with a copy that it has kept. Age
// says for how long. Such an answer tells what the key set was when the copy was made: it
// may lack a key that was published since, and have one that was withdrawn since. Age may
// be wrong, so two limits keep a wrong one from costing more than time: Lifetime for the
// order of sets, Config.MaxAge for the proof that a key is not there.

// errOlder is the problem of an attempt that brought a set older than the one in use.
var errOlder = errors.New("a cache answered with an older copy of the key set than the one in use, as its Age says; the one in use stays")

// sighting is when a key id was asked for that no set has had, first and last.
type sighting struct{ first, last time.Time }

// TokenID returns the id under which Seek looks for the key of one token: the token names
// no key (kid is empty), or the key of that id did not sign it. What a fetch proves about
// one such token says nothing about the next, so each token has an id of its own. No key
// in a key set has such an id.
func TokenID(kid string, digest [32]byte) string { return kid + "\x00" + string(digest[:]) }

// keyID returns the key id in an id of Seek.
func keyID(id string) string {
	kid, _, _ := strings.Cut(id, "\x00")
	return kid
}

// counted returns the age of an answer as it counts for the order of sets.
func counted(answer *upstream.KeySetResponse) time.Duration { return min(answer.Age, Lifetime) }

// repeats reports whether an answer has the same content as s.
func (s *Snapshot) repeats(answer *upstream.KeySetResponse) bool {
	return s != nil && (answer.NotModified || bytes.Equal(answer.Body, s.body))
}

// succeeds reports whether the answer to a question that was sent at began may replace s.
// It may not if it has another content and was made before s. Without this rule a copy
// would bring a withdrawn key back. A set that may not verify is replaced by any answer.
func (s *Snapshot) succeeds(answer *upstream.KeySetResponse, began time.Time) bool {
	return !s.Usable(began) || s.repeats(answer) || clock.Elapsed(s.made, began) >= counted(answer)
}

// latest reports whether the next fetch has to ask the caches on the way to ask the
// upstream: somebody waits for a key, a cache has just answered with an older copy, or the
// set in use is from before the start. r.mu is held.
func (r *Ring) latest(asked map[string]time.Time, old *Snapshot) bool {
	return len(asked) > 0 || r.older || old != nil && old.saved
}

// outdated ends an attempt whose answer must not replace old. The next regular one comes
// when the copy is due, and before old may not verify any more.
func (r *Ring) outdated(old *Snapshot, asked map[string]time.Time, answer *upstream.KeySetResponse, began time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.older {
		r.config().Log.Warn("key set not taken, will be asked for again: see which cache is between this host and the upstream", "error", errOlder, "age", answer.Age.String())
	}
	r.counts.Fetches++
	r.failures, r.problem, r.failure.Over, r.older = 0, errOlder, true, true
	r.backoff.Reset()
	next, end := began.Add(spread(r.interval(answer.MaxAge))), old.fetched.Add(Lifetime)
	if clock.Over(end, next) {
		next = end
	}
	r.plan(next)
	for id, first := range asked {
		r.meet(id, first, began)
	}
}

// settle notes which of the key ids asked for are proved to be in no set. set is the
// answer to a question that was sent at began, of that age. r.mu is held.
func (r *Ring) settle(asked map[string]time.Time, set *keyset.Set, began time.Time, age time.Duration) {
	now := r.config().Now()
	for id, until := range r.absent {
		if clock.Over(until, now) || set.Find(id) != nil {
			delete(r.absent, id)
		}
	}
	for id, first := range asked {
		if set.Find(id) != nil {
			continue
		}
		if clock.Awake(first, began) >= min(age, r.config().MaxAge) && len(r.absent) < maxAbsent {
			r.absent[id] = now.Add(r.absence())
		}
		if age > 0 {
			r.meet(id, first, began)
		}
	}
	for id, s := range r.met {
		if set.Find(id) != nil || clock.Elapsed(s.last, now) > 2*max(r.config().MaxAge, r.config().Cooldown) {
			delete(r.met, id)
		}
	}
}

// meet remembers when a key id was first asked for, for the time in which copies that were
// made before may come. r.mu is held.
func (r *Ring) meet(id string, first, last time.Time) {
	if _, known := r.met[id]; known || len(r.met) < MaxWanted {
		r.met[id] = sighting{first, last}
	}
}
