package resolve

import (
	"encoding/hex"

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

func ground(kind revoke.Kind, project, value string) Ground {
	return Ground{Kind: kind, Project: project, Value: value}
}

func profileGround(project string, key cache.Key) Ground {
	return ground(kindProfile, project, string(key[:]))
}

// appendKey appends the names that a key goes by.
func appendKey(dst []Ground, project string, key *keyset.Key) []Ground {
	if key.ID() != "" {
		dst = append(dst, ground(revoke.KindKey, project, key.ID()))
	}
	return append(dst, ground(revoke.KindKey, project, key.Thumbprint()))
}

// withdrawn returns what tells ended of keys that a project's upstream has withdrawn.
func withdrawn(project string, ended func(...Ground)) func([]*keyset.Key) {
	if ended == nil {
		return nil
	}
	return func(keys []*keyset.Key) {
		var grounds []Ground
		for _, key := range keys {
			grounds = appendKey(grounds, project, key)
		}
		ended(grounds...)
	}
}

// purgeMark names a credential by what it is remembered by.
func purgeMark(name cache.Key) revoke.Mark {
	return revoke.Mark{Kind: revoke.KindPurgeToken, Value: hex.EncodeToString(name[:])}
}
