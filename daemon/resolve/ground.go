package resolve

import (
	"encoding/hex"

	"github.com/neonauthd/neonauthd/cache"
	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/daemon/revoke"
)

// Ground is one thing that an accepted verdict rests on, apart from time: when the
// ground ends, the verdict ends. If a ground can be revoked, its name is the same as
// in a revocation.
type Ground = revoke.Mark

// kindProfile is the kind of a ground that cannot be revoked: the upstream's answer
// about a user. Its value is the key of the profile in the cache.
const kindProfile revoke.Kind = "profile"

func ground(kind revoke.Kind, project, value string) Ground {
	return Ground{Kind: kind, Project: project, Value: value}
}

func profileGround(project string, key cache.Key) Ground {
	return ground(kindProfile, project, string(key[:]))
}

// appendKey appends the grounds for a key: one for its id and one for its thumbprint.
func appendKey(dst []Ground, project string, key *keyset.Key) []Ground {
	if key.ID() != "" {
		dst = append(dst, ground(revoke.KindKey, project, key.ID()))
	}
	return append(dst, ground(revoke.KindKey, project, key.Thumbprint()))
}

// withdrawn returns a function that tells ended which keys a project's upstream has
// withdrawn; nil if ended is nil.
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

// purgeMark returns the mark of a purge of the credential that is remembered under
// name.
func purgeMark(name cache.Key) revoke.Mark {
	return revoke.Mark{Kind: revoke.KindPurgeToken, Value: hex.EncodeToString(name[:])}
}
