// Package cachekey says under which keys verdicts and profiles are kept.
package cachekey

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/neonauthd/neonauthd/cache"
	"github.com/neonauthd/neonauthd/daemon/keyset"
)

// Credential is where what the upstream says of one credential is kept that the
// digest is of.
func Credential(project string, digest cache.Key) cache.Key {
	return Of("credential", project, string(digest[:]))
}

// User is where a user's profile is kept, apart for each class, because the
// upstream may answer for one and not for another.
func User(project string, class keyset.Class, subject string) cache.Key {
	return Of("profile", project, class.String(), subject)
}

// Of digests a list so that no two lists share a key: lengths go first.
func Of(parts ...string) cache.Key {
	var room [256]byte // enough for most, so that a hit allocates nothing
	list := room[:0]
	for _, part := range parts {
		list = binary.BigEndian.AppendUint32(list, uint32(len(part)))
		list = append(list, part...)
	}
	return sha256.Sum256(list)
}

// Denied is where a denial of one token of a user is remembered.
func Denied(key, digest cache.Key) cache.Key {
	for i := range key {
		key[i] ^= digest[i]
	}
	return key
}
