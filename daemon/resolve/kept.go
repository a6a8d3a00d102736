package resolve

import (
	"time"

	"github.com/neonauthd/neonauthd/cache"
	"github.com/neonauthd/neonauthd/daemon/revoke"
)

// Grounds appends the grounds of the accepted verdict on the lookup, for a client that
// keeps the answer: at most seven, and none if it must not be kept. A token has one name
// for revocations and another for purges. A lookup of level profile has the profile as a
// ground even if it was answered with the claims, because the profile may come, or the
// upstream may deny the user.
func (r *Resolver) Grounds(dst []Ground, l *Lookup, v *Verdict) []Ground {
	e := v.entry
	if e == nil {
		return dst
	}
	claims := l.claims(e)
	// Without a ttl no client keeps the answer, so nothing has to be noted.
	if l.Level == LevelProfile && v.TTL >= time.Second && !r.profiles.mayKeepAnswer(l, claims, v.profile) {
		return dst
	}
	name := e.project.name
	dst = append(dst, ground(revoke.KindToken, name, e.signed), purgeMark(l.purged()), ground(revoke.KindSubject, name, e.subject))
	if e.session != "" {
		dst = append(dst, ground(revoke.KindSession, name, e.session))
	} else {
		dst = append(dst, ground(revoke.KindSessionless, name, e.subject))
	}
	if e.key != nil {
		dst = appendKey(dst, name, e.key)
	}
	if l.Level == LevelProfile {
		dst = append(dst, profileGround(name, l.profileKey(claims)))
	}
	return dst
}

// mayKeepAnswer is mayKeep for an answer with the profile p, nil if it has the claims instead.
// For e see recall.
func (s *profiles) mayKeepAnswer(l *Lookup, e *entry, p *profile) bool {
	key := l.profileKey(e)
	switch {
	case p != nil:
		return s.mayKeep(key, version{p.project.pool, p.digest})
	case l.withoutProfile(e):
		return true // no profile will come
	}
	return s.mayKeepClaims(key, e.project)
}

// mayKeepClaims is mayKeep for an answer that has the claims because there is no profile now:
// when the profile comes, clients forget the answer. Where clients may keep a profile, it
// returns false. Otherwise lookups that accept an older profile and lookups that do not would
// end each other's answers.
func (s *profiles) mayKeepClaims(key cache.Key, p *Project) bool {
	none := version{pool: p.pool}
	if v, had := s.kept.Get(&key); had && v.pool == p.pool && v != none {
		return false
	}
	return s.mayKeep(key, none)
}

// StillAccepted reports whether nothing that an accepted verdict rests on has ended: a lookup
// would have the same verdict from memory now. For claims in place of a profile it is false,
// because memory cannot tell whether the upstream has denied the user meanwhile.
func (r *Resolver) StillAccepted(l *Lookup, v *Verdict) bool {
	e, now := v.entry, r.now()
	switch {
	case e == nil, e.revoked(r.revocations), l.kind != opaque && !r.holds(l, e, now):
		return false
	case l.Level != LevelProfile:
		return true
	}
	return v.profile != nil && r.profiles.stillUsable(l, l.claims(e), v.profile, now)
}

// claims returns the entry of a verdict on the lookup if it has verified claims, or nil for an
// opaque credential, which has none.
func (l *Lookup) claims(e *entry) *entry {
	if l.kind == opaque {
		return nil
	}
	return e
}

// stillUsable reports whether the profile p is in memory and may still be used.
func (s *profiles) stillUsable(l *Lookup, e *entry, p *profile, now time.Time) bool {
	key := l.profileKey(e)
	_, denied := s.denied(key, l, e, now)
	return !denied && s.get(key, l, now) == p
}
