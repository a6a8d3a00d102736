package resolve

import (
	"time"

	"github.com/neonauthd/neonauthd/daemon/clock"
	"github.com/neonauthd/neonauthd/protocol"
)

// Confirm checks an accepted verdict again whose reply had to wait: its grounds may have
// ended, and its age has changed. A rejection does not change, because there was proof when
// the lookup came. The body, which may have been redacted, does not change if the level does
// not.
func (r *Resolver) Confirm(l *Lookup, v Verdict) Verdict {
	if v.Status() != protocol.OK || v.entry == nil {
		return v
	}
	e, now := v.entry, r.now()
	purged := r.purges.Covers(e.revision, l.purged(), e.user())
	switch {
	case !r.timely(now):
		v = untimely()
	case e.over(now) && (e.key != nil || !purged): // the end of an opaque credential is what the upstream has said
		v = rejected(protocol.ReasonExpired)
	case e.revoked(r.revocations):
		v = rejected(protocol.ReasonRevoked)
	case purged, e.key != nil && !r.holds(l, e, now), !e.alive(l.Project, now):
		v = Busy() // withdrawn, purged or too old: the caller has to ask again
	case v.Level == LevelProfile:
		r.profiles.confirm(l, &v, now)
	default:
		body, source := v.Body, v.Source
		v = e.accept(sourceOf(l.Project.keys.Snapshot(), source, now), now)
		v.Body = body
	}
	return v
}

// confirm is Resolver.Confirm for a verdict at level profile whose claims have been checked
// already.
func (s *profiles) confirm(l *Lookup, v *Verdict, now time.Time) {
	e, p := v.entry, v.profile
	claims := e // an opaque credential has none: its entry is the profile's
	if e == p.entry {
		claims = nil
	}
	no, denied := s.denied(l.profileKey(claims), l, claims, now)
	switch later := denied && p.asked.Before(no.at); {
	case denied && no.project == l.Project && (later || no.fresh(now)):
		*v = rejected(no.reason)
		return
	case later: // the denial is for another configuration of this project, which may have other rules
		*v = Busy()
		return
	}
	if s.over(p, l, now) {
		*v = rejected(protocol.ReasonExpired)
		return
	}
	age := clock.Elapsed(p.asked, now)
	tooOld := l.Project.pastStale(age) || v.Source != SourceUpstream && l.tooOld(age)
	switch purged := s.purges.Covers(p.revision, l.purged(), p.user); {
	case !purged && !tooOld:
		body, source := v.Body, v.Source
		if age >= time.Duration(l.Project.config().ProfileFresh) {
			source = SourceStale
		}
		*v = s.accept(l, e, p, source, now)
		v.Body = body
	case l.Fallback && claims != nil:
		*v = e.accept(sourceOf(l.Project.keys.Snapshot(), SourceCache, now), now)
	default:
		*v = Busy()
	}
}
