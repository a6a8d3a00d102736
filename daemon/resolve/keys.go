package resolve

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/neonauthd/neonauthd/cache"
	"github.com/neonauthd/neonauthd/daemon/keyset"
)

// credentialKey is where what the upstream says of one credential is kept that the
// digest is of.
func credentialKey(project string, digest cache.Key) cache.Key {
	return listKey("credential", project, string(digest[:]))
}

// userKey is where a user's profile is kept, apart for each class, because the
// upstream may answer for one and not for another.
func userKey(project string, class keyset.Class, subject string) cache.Key {
	return listKey("profile", project, class.String(), subject)
}

// listKey digests a list so that no two lists share a key: lengths go first.
func listKey(parts ...string) cache.Key {
	var room [256]byte // enough for most, so that a hit allocates nothing
	list := room[:0]
	for _, part := range parts {
		list = binary.BigEndian.AppendUint32(list, uint32(len(part)))
		list = append(list, part...)
	}
	return sha256.Sum256(list)
}

// deniedToken is where a denial of one token of a user is remembered.
func deniedToken(key, digest cache.Key) cache.Key {
	for i := range key {
		key[i] ^= digest[i]
	}
	return key
}
