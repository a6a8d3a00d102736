// Package cachekey makes the keys under which verdicts and profiles are kept.
package cachekey

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/neonauthd/neonauthd/cache"
	"github.com/neonauthd/neonauthd/daemon/keyset"
)

// Credential returns the key under which the upstream's answer about one
// credential is kept. digest is the credential's digest.
func Credential(project string, digest cache.Key) cache.Key {
	return Of("credential", project, string(digest[:]))
}

// User returns the key under which a user's profile is kept. Each class has a
// key of its own, because the upstream may answer for one class and not for
// another.
func User(project string, class keyset.Class, subject string) cache.Key {
	return Of("profile", project, class.String(), subject)
}

// Of returns the digest of a list. Each part's length goes before the part, so
// no two lists share a key.
func Of(parts ...string) cache.Key {
	var room [256]byte // enough for most lists, so that a hit allocates nothing
	list := room[:0]
	for _, part := range parts {
		list = binary.BigEndian.AppendUint32(list, uint32(len(part)))
		list = append(list, part...)
	}
	return sha256.Sum256(list)
}

// Denied returns the key under which a denial of one token of a user is
// remembered.
func Denied(key, digest cache.Key) cache.Key {
	for i := range key {
		key[i] ^= digest[i]
	}
	return key
}
