package resolve

import "github.com/neonauthd/neonauthd/daemon/revoke"

// Grounds appends the grounds of the accepted verdict on the lookup, for a client that
// keeps the answer: at most seven, and none if it must not be kept. A token has one name
// for revocations and another for purges. A lookup of level profile has the profile as a
// ground even if it was answered with the claims, because the upstream may deny the user.
func (r *Resolver) Grounds(dst []Ground, l *Lookup, v *Verdict) []Ground {
	e := v.entry
	if e == nil {
		return dst
	}
	claims := e
	if l.kind == opaque {
		claims = nil
	}
	if v.profile != nil && !r.profiles.mayKeep(l.profileKey(claims), v.profile) {
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
