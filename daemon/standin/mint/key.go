// Package mint makes the stand-in's signing keys, the way each genuine service makes and publishes its own, and signs
// tokens with them. It also reads tokens as leniently as the services do. It knows nothing of users or of HTTP.
package mint

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha256" // hashes of RS, PS and ES algorithms
	_ "crypto/sha512"
	"encoding/base64"
	"fmt"
	"math/big"
	"slices"

	"github.com/neonauthd/neonauthd/daemon/standin/ordered"
)

// rsaBits is the least size that verifiers accept today (RFC 7518, section 3.3).
const rsaBits = 2048

// Algorithms lists the JOSE names (RFC 7518, RFC 8037) that the OpenID Connect issuer signs with, in
// the order of its key set.
func Algorithms() []string {
	return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
}

// Key is one signing key. It is immutable apart from its mark Withdrawn: keys and rings are guarded by their owner.
type Key struct {
	Kid       string
	Alg       string
	Private   crypto.Signer
	JWK       ordered.Object
	Withdrawn bool
}

// NewKey makes a key for an algorithm. Callers pass known names only.
func NewKey(alg, kid string, members func(*Key) ordered.Object) *Key {
	return keyOf(alg, kid, newSigner(alg), members)
}

func keyOf(alg, kid string, private crypto.Signer, members func(*Key) ordered.Object) *Key {
	k := &Key{Kid: kid, Alg: alg, Private: private}
	k.JWK = members(k)
	return k
}

func newSigner(alg string) crypto.Signer {
	var (
		private crypto.Signer
		err     error
	)
	switch alg {
	case "EdDSA":
		_, private, err = ed25519.GenerateKey(rand.Reader)
	case "ES256":
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ES384":
		private, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "ES512":
		private, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	default:
		private, err = rsa.GenerateKey(rand.Reader, rsaBits)
	}
	if err != nil {
		panic("standin: generate key: " + err.Error())
	}
	return private
}

// sign makes the JWS signature (RFC 7515) of the signing input.
func (k *Key) sign(input []byte) []byte {
	signature, err := k.signature(input)
	if err != nil {
		panic("standin: sign: " + err.Error())
	}
	return signature
}

func (k *Key) signature(input []byte) ([]byte, error) {
	if private, ok := k.Private.(ed25519.PrivateKey); ok {
		return ed25519.Sign(private, input), nil
	}
	hash := hashOf(k.Alg)
	digest := hash.New()
	digest.Write(input)
	switch private := k.Private.(type) {
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, private, digest.Sum(nil))
		if err != nil {
			return nil, err
		}
		size := (private.Curve.Params().BitSize + 7) / 8
		out := make([]byte, 2*size)
		r.FillBytes(out[:size])
		s.FillBytes(out[size:])
		return out, nil
	case *rsa.PrivateKey:
		if k.Alg[:2] == "PS" {
			return rsa.SignPSS(rand.Reader, private, hash, digest.Sum(nil), &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		}
		return rsa.SignPKCS1v15(rand.Reader, private, hash, digest.Sum(nil))
	default:
		return nil, fmt.Errorf("no way to sign with %s", k.Alg)
	}
}

// Verifies reports whether signature is the key's over input.
func (k *Key) Verifies(input, signature []byte) bool {
	if public, ok := k.Private.Public().(ed25519.PublicKey); ok {
		return ed25519.Verify(public, input, signature)
	}
	hash := hashOf(k.Alg)
	digest := hash.New()
	digest.Write(input)
	switch public := k.Private.Public().(type) {
	case *ecdsa.PublicKey:
		return verifyECDSA(public, digest.Sum(nil), signature)
	case *rsa.PublicKey:
		if k.Alg[:2] == "PS" {
			return rsa.VerifyPSS(public, hash, digest.Sum(nil), signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
		}
		return rsa.VerifyPKCS1v15(public, hash, digest.Sum(nil), signature) == nil
	}
	return false
}

func verifyECDSA(public *ecdsa.PublicKey, digest, signature []byte) bool {
	size := (public.Curve.Params().BitSize + 7) / 8
	if len(signature) != 2*size {
		return false
	}
	r, s := new(big.Int).SetBytes(signature[:size]), new(big.Int).SetBytes(signature[size:])
	return ecdsa.Verify(public, digest, r, s)
}

func hashOf(alg string) crypto.Hash {
	switch alg[2:] {
	case "384":
		return crypto.SHA384
	case "512":
		return crypto.SHA512
	default:
		return crypto.SHA256
	}
}

// NeonMembers orders a public key as Better Auth publishes it.
func NeonMembers(k *Key) ordered.Object {
	public := k.Private.Public().(ed25519.PublicKey)
	return ordered.Object{{"alg", k.Alg}, {"crv", "Ed25519"}, {"x", Base64(public)}, {"kty", "OKP"}, {"kid", k.Kid}}
}

// oidcMembers is a public key as issuers usually publish it (RFC 7517, RFC 7518 section 6, RFC 8037).
func oidcMembers(k *Key) ordered.Object {
	head := ordered.Object{{"kid", k.Kid}, {"use", "sig"}, {"alg", k.Alg}}
	switch public := k.Private.Public().(type) {
	case *rsa.PublicKey:
		return append(head, ordered.Object{{"kty", "RSA"}, {"n", Base64(public.N.Bytes())}, {"e", Base64(big.NewInt(int64(public.E)).Bytes())}}...)
	case *ecdsa.PublicKey:
		params := public.Curve.Params()
		point, err := public.Bytes() // 0x04, x, y; both padded to the size of the field
		if err != nil {
			panic("standin: public key: " + err.Error())
		}
		size := (params.BitSize + 7) / 8
		return append(head, ordered.Object{{"kty", "EC"}, {"crv", params.Name}, {"x", Base64(point[1 : 1+size])}, {"y", Base64(point[1+size:])}}...)
	default:
		return append(head, ordered.Object{{"kty", "OKP"}, {"crv", "Ed25519"}, {"x", Base64(public.(ed25519.PublicKey))}}...)
	}
}

// Ring holds the keys of an upstream that rotates by adding keys: every key ever made, in order.
type Ring struct{ Keys []*Key }

// Published are the keys that have not been withdrawn.
func (r *Ring) Published() []*Key {
	return slices.DeleteFunc(slices.Clone(r.Keys), func(k *Key) bool { return k.Withdrawn })
}

// Signer is the newest published key of an algorithm, or the newest withdrawn one when none is left.
func (r *Ring) Signer(alg string) *Key {
	var last *Key
	for _, k := range r.Keys {
		if k.Alg == alg && (last == nil || !k.Withdrawn || last.Withdrawn) {
			last = k
		}
	}
	return last
}

// Rotate adds fresh keys. Without overlap the former ones are withdrawn.
func (r *Ring) Rotate(fresh []*Key, overlap bool) {
	if !overlap {
		for _, k := range r.Keys {
			k.Withdrawn = true
		}
	}
	r.Keys = append(r.Keys, fresh...)
}

// FindKey returns the key of this id, nil if there is none.
func FindKey(keys []*Key, kid string) *Key {
	for _, k := range keys {
		if k.Kid == kid {
			return k
		}
	}
	return nil
}

// Base64 is base64url without padding (RFC 7515, section 2).
func Base64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
