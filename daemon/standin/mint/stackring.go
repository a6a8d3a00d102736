package mint

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"

	"github.com/neonauthd/neonauthd/daemon/standin/ordered"
)

// StackRing derives the keys of Stack Auth, which stores none: every key follows from the server's
// secret and the audience (packages/stack-shared/src/utils/jwt.tsx). Per audience there are two, the
// old derivation, which signs today, and the new one, published ahead of its use.
type StackRing struct {
	secrets []string            // the one in use first; others are still published after a rotation with overlap
	pairs   map[[2]string]*pair // by secret and audience
	All     []*Key              // every key derived so far
	Next    bool                // sign with the new derivation
}

type pair struct{ old, new *Key }

// NewStackRing derives from a secret, any text.
func NewStackRing(secret string) *StackRing {
	return &StackRing{secrets: []string{secret}, pairs: map[[2]string]*pair{}}
}

// pair returns the keys of an audience. Only kept keys can be named or withdrawn later. Keys of audiences that
// strangers ask about are not kept.
func (r *StackRing) pair(secret, audience string, keep bool) *pair {
	at := [2]string{secret, audience}
	if p := r.pairs[at]; p != nil {
		return p
	}
	scope := ordered.Object{{"audience", audience}}
	oldSeed := digestOf([]any{secret, audience})
	newSeed := digestOf([]any{"stack-jwk-audience-secret", secret, scope})
	p := &pair{
		old: stackKey(oldSeed, digestOf([]any{oldSeed, "kid"})),
		new: stackKey(newSeed, digestOf([]any{"stack-jwk-kid", secret, scope})),
	}
	if keep {
		r.pairs[at] = p
		r.All = append(r.All, p.old, p.new)
	}
	return p
}

// Published are the keys of an audience, in the order of the key set.
func (r *StackRing) Published(audience string, keep bool) []*Key {
	var keys []*Key
	for _, secret := range r.secrets {
		p := r.pair(secret, audience, keep)
		for _, k := range []*Key{p.old, p.new} {
			if !k.Withdrawn {
				keys = append(keys, k)
			}
		}
	}
	return keys
}

// Signer is the key that signs for an audience. A withdrawn key hands over to the other one of its
// pair; if both are withdrawn, the first still signs, because tests need such tokens too.
func (r *StackRing) Signer(audience string, next bool) *Key {
	p := r.pair(r.secrets[0], audience, true)
	first, second := p.old, p.new
	if next || r.Next {
		first, second = second, first
	}
	if first.Withdrawn && !second.Withdrawn {
		return second
	}
	return first
}

// Rotate replaces the secret. The genuine server never publishes keys of a former secret; with overlap this one does.
func (r *StackRing) Rotate(overlap bool) {
	fresh := []string{RandomText(43)}
	if overlap {
		fresh = append(fresh, r.secrets...)
	}
	r.secrets = fresh
}

// digestOf is the base64url SHA-256 of a value's compact JSON.
func digestOf(v any) string {
	sum := sha256.Sum256(ordered.Encode(v))
	return Base64(sum[:])
}

func stackKey(seed, kidDigest string) *Key {
	raw, err := base64.RawURLEncoding.DecodeString(seed)
	if err != nil {
		panic("standin: seed: " + err.Error())
	}
	scalar := sha256.Sum256(raw)
	private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), scalar[:])
	if err != nil { // a scalar of zero or beyond the group's order: one secret in 2^32
		panic("standin: derive key: " + err.Error())
	}
	return keyOf("ES256", kidDigest[:12], private, stackMembers)
}

// stackMembers is a public key as Stack Auth publishes it. Coordinates are exported as big numbers
// without left padding, contrary to RFC 7518 section 6.2.1.2, so about one key in 128 has a short one.
func stackMembers(k *Key) ordered.Object {
	point, err := k.Private.Public().(*ecdsa.PublicKey).Bytes()
	if err != nil {
		panic("standin: public key: " + err.Error())
	}
	return ordered.Object{{"kty", "EC"}, {"crv", "P-256"}, {"alg", k.Alg}, {"kid", k.Kid},
		{"x", Base64(trimZeros(point[1:33]))}, {"y", Base64(trimZeros(point[33:]))}}
}

func trimZeros(b []byte) []byte {
	for len(b) > 0 && b[0] == 0 {
		b = b[1:]
	}
	return b
}
