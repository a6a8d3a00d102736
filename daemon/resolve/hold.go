package resolve

import (
	"time"

	"github.com/neonauthd/neonauthd/cache"
	"github.com/neonauthd/neonauthd/daemon/clock"
	"github.com/neonauthd/neonauthd/daemon/resolve/cachekey"
	"github.com/neonauthd/neonauthd/daemon/upstream"
	"github.com/neonauthd/neonauthd/protocol"
)

// The first and the longest pause between questions about one credential that got an
// answer, but none that could be used.
const (
	firstHold   = time.Second
	longestHold = 30 * time.Second
)

// hold keeps lookups of a credential away from the upstream, whose last answer about it
// could not be used and would probably be the same again. Lookups are answered as after that
// answer. Another token of the user is asked about: it may be a better one.
type hold struct {
	project  *Project
	revision uint64
	until    time.Time
	pauses   int // so far, in a row
	code     protocol.Code
}

// holdBack begins a hold after an unfit answer, for which lookups get failure. Without the
// upstream's Retry-After, each is twice as long as the one before. Asking again does not help
// before the end of the hold, so failure says that.
func (s *profiles) holdBack(key cache.Key, l *Lookup, e *upstream.Error, failure *Verdict, revision uint64) {
	key = cachekey.Denied(key, l.digest)
	before, _ := s.holds.Get(&key)
	wait := e.RetryAfter
	if wait == 0 {
		wait = min(firstHold<<min(before.pauses, 8), longestHold)
	}
	s.holds.Set(key, hold{l.Project, revision, s.now().Add(wait), before.pauses + 1, failure.Code()}, troubleKept)
	if failure.RetryAfter > 0 {
		failure.RetryAfter = max(failure.RetryAfter, wait)
	}
}

// held returns the failure for a lookup that would ask too soon. A purge ends the hold, and a
// reload after which the project asks another question, so that it uses no profiles of before.
func (s *profiles) held(key cache.Key, l *Lookup, e *entry, now time.Time) (Verdict, bool) {
	key = cachekey.Denied(key, l.digest)
	h, ok := s.holds.GetAt(&key, now)
	if !ok || h.project.pool != l.Project.pool || clock.Over(h.until, now) || s.purges.Covers(h.revision, l.purged(), e.user()) {
		return Verdict{}, false
	}
	if h.code == protocol.CodeMisconfigured {
		return unknown(h.code, 0), true
	}
	return unknown(h.code, max(time.Second, clock.Left(h.until, now))), true
}
