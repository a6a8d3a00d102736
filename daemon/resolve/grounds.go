package resolve

import (
	"github.com/neonauthd/neonauthd/cache"
	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/daemon/revoke"
)

// Ground is one thing that an accepted verdict rests on, apart from time: the verdict
// ends with it. It names what can be revoked as a revocation does.
type Ground = revoke.Mark

// kindProfile is the kind of a ground that cannot be revoked: what the upstream says
// of a user. Its value goes by the key of the profile in the cache.
const kindProfile revoke.Kind = "profile"

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
	}
	if e.key != nil {
		dst = appendKey(dst, e.project, e.key)
	}
	if l.Level == LevelProfile {
		claims := e
		if l.kind == session {
			claims = nil
		}
		dst = append(dst, profileGround(e.project, l.profileKey(claims)))
	}
	return dst
}

func ground(kind revoke.Kind, project, value string) Ground {
	return Ground{Kind: kind, Project: project, Value: value}
}

func profileGround(p *Project, key cache.Key) Ground {
	return ground(kindProfile, p.name, string(key[:]))
}

// appendKey appends the names that a key goes by.
func appendKey(dst []Ground, p *Project, key *keyset.Key) []Ground {
	if key.ID() != "" {
		dst = append(dst, ground(revoke.KindKey, p.name, key.ID()))
	}
	return append(dst, ground(revoke.KindKey, p.name, key.Thumbprint()))
}

// withdrawn returns what tells ended of keys that the upstream has withdrawn.
func (p *Project) withdrawn(ended func(...Ground)) func([]*keyset.Key) {
	if ended == nil {
		return nil
	}
	return func(keys []*keyset.Key) {
		var grounds []Ground
		for _, key := range keys {
			grounds = appendKey(grounds, p, key)
		}
		ended(grounds...)
	}
}
