package keyring

import (
	"time"

	"github.com/neonauthd/neonauthd/daemon/clock"
	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/daemon/upstream"
)

// Snapshot is one key set with its instants. It never changes. Nil is a set that is
// not usable.
type Snapshot struct {
	set        *keyset.Set
	body       []byte // that the set was read from
	validators upstream.Validators
	fetched    time.Time // when the question went out by which the upstream last confirmed it
	fresh      time.Time // until when it needs no refresh
	saved      bool      // from the state directory, not yet confirmed
	read       time.Time // from there; saved only
}

// Usable reports whether the set may verify anything at now.
func (s *Snapshot) Usable(now time.Time) bool {
	return s != nil && clock.Elapsed(s.fetched, now) < Lifetime && (!s.saved || s.plausible(now))
}

// plausible reports whether a saved set was read after it was fetched, by the
// clock as it is set now: its age rests on the wall clock alone, which may have
// been wrong when the set was saved or when it was read.
func (s *Snapshot) plausible(now time.Time) bool {
	read := s.read.Round(0).Add(clock.Jump(s.read, now))
	return !read.Before(s.fetched)
}

// Stale reports whether the set has outlived its fresh time, which happens only
// while refreshes fail, and for a moment after the host slept or its clock was
// set.
func (s *Snapshot) Stale(now time.Time) bool { return clock.Over(s.fresh, now) }

// Fresh reports whether the set is what the upstream says in this run of the
// daemon: confirmed, and within its fresh time.
func (s *Snapshot) Fresh(now time.Time) bool { return s != nil && !s.saved && !s.Stale(now) }

// Set returns the keys.
func (s *Snapshot) Set() *keyset.Set { return s.set }
