package mint

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/sha256"
	"strconv"
)

// Seed is the text from which the first keys, secrets and ids of a stand-in are derived.
type Seed string

// bytes returns n bytes that follow from the seed and from what they are for.
func (s Seed) bytes(purpose string, n int) []byte {
	b, err := hkdf.Key(sha256.New, []byte(s), nil, "neonauthd standin: "+purpose, n)
	if err != nil {
		panic("standin: derive: " + err.Error())
	}
	return b
}

// Text returns n letters and digits that follow from the seed and from what they are for.
func (s Seed) Text(purpose string, n int) string { return textOf(s.bytes(purpose, n)) }

// UUID returns a UUID of version 4 that follows from the seed and from what it is for.
func (s Seed) UUID(purpose string) string { return uuidOf([16]byte(s.bytes(purpose, 16))) }

// signer makes the private key of an algorithm; there is none for RSA, whose keys cannot be
// derived from a seed.
func (s Seed) signer(alg string) crypto.Signer {
	switch alg {
	case "EdDSA":
		return ed25519.NewKeyFromSeed(s.bytes("key "+alg, ed25519.SeedSize))
	case "ES384":
		return s.curveKey(alg, elliptic.P384())
	case "ES512":
		return s.curveKey(alg, elliptic.P521())
	default:
		return s.curveKey(alg, elliptic.P256())
	}
}

// curveKey takes the first bytes that are less than the order of the curve, as
// FIPS 186-5, appendix A.2.2, has it.
func (s Seed) curveKey(alg string, curve elliptic.Curve) crypto.Signer {
	bits := curve.Params().BitSize
	for i := 0; ; i++ {
		scalar := s.bytes("key "+alg+" "+strconv.Itoa(i), (bits+7)/8)
		scalar[0] >>= 8*len(scalar) - bits
		if private, err := ecdsa.ParseRawPrivateKey(curve, scalar); err == nil {
			return private
		}
	}
}

// NeonKey makes the key that Better Auth signs with.
func NeonKey(from Seed) *Key {
	return keyOf("EdDSA", from.UUID("neon key"), from.signer("EdDSA"), NeonMembers)
}
