package resolve

import "github.com/neonauthd/neonauthd/daemon/revoke"

// Grounds appends the grounds of the accepted verdict on the lookup: at most seven,
// and none if the verdict has no evidence. A token has one name for revocations and
// another for purges. A lookup of level profile has the profile as a ground even if it
// was answered with the claims, because the upstream may deny the user.
func (v *Verdict) Grounds(dst []Ground, l *Lookup) []Ground {
	e := v.entry
	if e == nil {
		return dst
	}
	name := e.project.name
	dst = append(dst, ground(revoke.KindToken, name, revoke.SignedDigest(l.revoked())), purgeMark(l.purged()), ground(revoke.KindSubject, name, e.subject))
	if e.session != "" {
		dst = append(dst, ground(revoke.KindSession, name, e.session))
	} else {
		dst = append(dst, ground(revoke.KindSessionless, name, e.subject))
	}
	if e.key != nil {
		dst = appendKey(dst, name, e.key)
	}
	if l.Level == LevelProfile {
		claims := e
		if l.kind == opaque {
			claims = nil
		}
		dst = append(dst, profileGround(name, l.profileKey(claims)))
	}
	return dst
}
