package resolve

import "github.com/neonauthd/neonauthd/daemon/revoke"

// Grounds appends what the accepted verdict on the lookup rests on: seven grounds at
// most, of a verdict without evidence none. Purges of a token go by another name of it
// than revocations. An answer to a lookup of level profile
// rests on the profile also where claims had to do: the user may be denied.
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
