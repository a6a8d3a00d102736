package keyring

import (
	"time"

	"github.com/neonauthd/neonauthd/daemon/clock"
	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/daemon/upstream"
)

// Snapshot is one key set with its times. It never changes. A nil Snapshot is not
// usable.
type Snapshot struct {
	set        *keyset.Set
	body       []byte // the text that the set was read from
	validators upstream.Validators
	fetched    time.Time     // when the request was sent whose answer last confirmed the set
	made       time.Time     // when the upstream has made or confirmed it: earlier, if a cache has answered
	fresh      time.Time     // until when the set needs no refresh
	maxAge     time.Duration // of the answer that last confirmed it, see upstream.KeySetResponse; without meaning if saved
	saved      bool          // the set is from the state directory and not confirmed yet
	read       time.Time     // when it was read from there; saved only
}

// lacks reports whether the set has no entry of the key id, usable or not. An empty one is
// that of a token that names no key, so nothing is lacking.
func (s *Snapshot) lacks(kid string) bool {
	return kid != "" && (s == nil || s.set.Find(kid) == nil && !s.set.LeavesOut(kid))
}

// Usable reports whether the set may verify anything at now.
func (s *Snapshot) Usable(now time.Time) bool {
	return s != nil && clock.Elapsed(s.fetched, now) < Lifetime && (!s.saved || s.plausible(now))
}

// plausible reports whether a saved set was read after it was fetched, by the clock
// as it is set now. The age of a saved set depends on the wall clock alone, which
// may have been wrong when the set was saved or when it was read.
func (s *Snapshot) plausible(now time.Time) bool {
	read := s.read.Round(0).Add(clock.Jump(s.read, now))
	return !read.Before(s.fetched)
}

// Stale reports whether the set is past its fresh time. This happens only while
// refreshes fail, and for a moment after the host has slept or its clock was set.
func (s *Snapshot) Stale(now time.Time) bool { return clock.Over(s.fresh, now) }

// Fresh reports whether the upstream has confirmed the set in this run of the
// daemon, and the set is within its fresh time.
func (s *Snapshot) Fresh(now time.Time) bool { return s != nil && !s.saved && !s.Stale(now) }

// Set returns the keys.
func (s *Snapshot) Set() *keyset.Set { return s.set }
