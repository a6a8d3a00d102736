package standin

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
)

// rsaBits is the least size that verifiers accept today (RFC 7518, section 3.3).
const rsaBits = 2048

// Algorithms lists the JOSE names (RFC 7518, RFC 8037) that the OpenID Connect issuer signs with, in
// the order of its key set.
func Algorithms() []string {
	return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
}

// key is one signing key. It is immutable apart from its withdrawn mark, which the Standin's mutex guards.
type key struct {
	kid       string
	alg       string
	private   crypto.Signer
	jwk       object
	withdrawn bool
}

// newKey makes a key for an algorithm. Callers pass known names only.
func newKey(alg, kid string, members func(*key) object) *key {
	return keyOf(alg, kid, newSigner(alg), members)
}

func keyOf(alg, kid string, private crypto.Signer, members func(*key) object) *key {
	k := &key{kid: kid, alg: alg, private: private}
	k.jwk = members(k)
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
func (k *key) sign(input []byte) []byte {
	signature, err := k.signature(input)
	if err != nil {
		panic("standin: sign: " + err.Error())
	}
	return signature
}

func (k *key) signature(input []byte) ([]byte, error) {
	if private, ok := k.private.(ed25519.PrivateKey); ok {
		return ed25519.Sign(private, input), nil
	}
	hash := hashOf(k.alg)
	digest := hash.New()
	digest.Write(input)
	switch private := k.private.(type) {
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
		if k.alg[:2] == "PS" {
			return rsa.SignPSS(rand.Reader, private, hash, digest.Sum(nil), &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		}
		return rsa.SignPKCS1v15(rand.Reader, private, hash, digest.Sum(nil))
	default:
		return nil, fmt.Errorf("no way to sign with %s", k.alg)
	}
}

// verifies reports whether signature is the key's over input.
func (k *key) verifies(input, signature []byte) bool {
	if public, ok := k.private.Public().(ed25519.PublicKey); ok {
		return ed25519.Verify(public, input, signature)
	}
	hash := hashOf(k.alg)
	digest := hash.New()
	digest.Write(input)
	switch public := k.private.Public().(type) {
	case *ecdsa.PublicKey:
		return verifyECDSA(public, digest.Sum(nil), signature)
	case *rsa.PublicKey:
		if k.alg[:2] == "PS" {
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

// neonMembers orders a public key as Better Auth publishes it.
func neonMembers(k *key) object {
	public := k.private.Public().(ed25519.PublicKey)
	return object{{"alg", k.alg}, {"crv", "Ed25519"}, {"x", b64(public)}, {"kty", "OKP"}, {"kid", k.kid}}
}

// oidcMembers is a public key as issuers usually publish it (RFC 7517, RFC 7518 section 6, RFC 8037).
func oidcMembers(k *key) object {
	head := object{{"kid", k.kid}, {"use", "sig"}, {"alg", k.alg}}
	switch public := k.private.Public().(type) {
	case *rsa.PublicKey:
		return append(head, object{{"kty", "RSA"}, {"n", b64(public.N.Bytes())}, {"e", b64(big.NewInt(int64(public.E)).Bytes())}}...)
	case *ecdsa.PublicKey:
		params := public.Curve.Params()
		point, err := public.Bytes() // 0x04, x, y; both padded to the size of the field
		if err != nil {
			panic("standin: public key: " + err.Error())
		}
		size := (params.BitSize + 7) / 8
		return append(head, object{{"kty", "EC"}, {"crv", params.Name}, {"x", b64(point[1 : 1+size])}, {"y", b64(point[1+size:])}}...)
	default:
		return append(head, object{{"kty", "OKP"}, {"crv", "Ed25519"}, {"x", b64(public.(ed25519.PublicKey))}}...)
	}
}

// ring holds the keys of an upstream that rotates by adding keys: every key ever made, in order.
type ring struct{ keys []*key }

func (r *ring) published() []*key {
	return slices.DeleteFunc(slices.Clone(r.keys), func(k *key) bool { return k.withdrawn })
}

// signer is the newest published key of an algorithm, or the newest withdrawn one when none is left.
func (r *ring) signer(alg string) *key {
	var last *key
	for _, k := range r.keys {
		if k.alg == alg && (last == nil || !k.withdrawn || last.withdrawn) {
			last = k
		}
	}
	return last
}

func (r *ring) rotate(fresh []*key, overlap bool) {
	if !overlap {
		for _, k := range r.keys {
			k.withdrawn = true
		}
	}
	r.keys = append(r.keys, fresh...)
}

func findKey(keys []*key, kid string) *key {
	for _, k := range keys {
		if k.kid == kid {
			return k
		}
	}
	return nil
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
