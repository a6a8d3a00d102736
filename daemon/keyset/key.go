package keyset

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"encoding/base64"
	"math/big"
	"slices"
	"sync/atomic"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jws"
)

// The bounds of an RSA modulus, in bits. A smaller one can be factored, or soon
// will be; with a larger one, one signature costs as much as many.
const (
	minModulus = 2048
	maxModulus = 8192
)

// minExponent is the least RSA public exponent that is taken (FIPS 186-5).
const minExponent = 65537

// Key is one public key of a set. It is bound to the algorithm that the set
// names for it or, where the set names none, to those that its type and the
// policy leave. It is immutable but for its withdrawn mark, and safe for any
// number of goroutines. Two *Key are the same key record exactly if the
// pointers are equal.
type Key struct {
	id         string
	algorithms []Algorithm
	verifiers  []jws.Verifier // one for each algorithm
	thumbprint string
	material   crypto.PublicKey
	signature  int // bytes of every signature by this key
	withdrawn  atomic.Bool
}

// ID returns the key's "kid": 1 to 128 bytes of printable ASCII, or empty if
// it has none.
func (k *Key) ID() string { return k.id }

// Algorithms returns the algorithms that the key is used with: one, unless it is
// an RSA key for which the set names none. The slice is shared: read only.
func (k *Key) Algorithms() []Algorithm { return k.algorithms }

// Thumbprint returns the SHA-256 thumbprint of RFC 7638 in base64url. It is
// that of the key, not of its spelling: coordinates published short are
// counted at full length (RFC 7518 section 6.2.1.2).
func (k *Key) Thumbprint() string { return k.thumbprint }

// Withdrawn tells whether a later set no longer held the key. Once true it
// stays true; nothing this key signed may be accepted any more.
func (k *Key) Withdrawn() bool { return k.withdrawn.Load() }

// same tells whether the other record is of the same key for the same use.
func (k *Key) same(other *Key) bool {
	return k.id == other.id && k.thumbprint == other.thumbprint && slices.Equal(k.algorithms, other.algorithms)
}

// verify tells whether the key signed the input by one of its algorithms. It may
// panic where the libraries below do.
func (k *Key) verify(alg Algorithm, input, signature []byte) bool {
	at := slices.Index(k.algorithms, alg)
	return at >= 0 && len(signature) == k.signature && k.verifiers[at].Verify(input, signature, k.material) == nil
}

// newKey binds the material of a single parsed JWK to its algorithms: the one it
// names, else those that its type, curve and allowed leave. The second
// result says in fixed words why it cannot be used; empty if it can.
func newKey(id, named string, parsed jwk.Key, allowed []Algorithm) (*Key, string) {
	k := &Key{id: id}
	var natural []Algorithm
	var why string
	switch p := parsed.(type) {
	case jwk.ECDSAPublicKey:
		natural, why = k.curvePoint(p)
	case jwk.OKPPublicKey:
		natural, why = k.edwards(p)
	case jwk.RSAPublicKey:
		natural, why = k.modulus(p)
	default:
		why = "not a public key"
	}
	if why != "" {
		return nil, why
	}
	if k.algorithms, why = bind(named, natural, allowed); why != "" {
		return nil, why
	}
	for _, alg := range k.algorithms {
		verifier, err := newVerifier(alg)
		if err != nil {
			return nil, "no verifier for the algorithm"
		}
		k.verifiers = append(k.verifiers, verifier)
	}
	var err error
	if k.thumbprint, err = thumbprint(k.material); err != nil {
		return nil, "no thumbprint"
	}
	return k, ""
}

func newVerifier(alg Algorithm) (jws.Verifier, error) {
	if hash := pssHash(alg); hash != 0 {
		return pss{hash}, nil
	}
	return jws.NewVerifier(jwa.SignatureAlgorithm(alg))
}

// bind chooses the key's algorithms: of natural, which are those that its type
// and curve can do, the allowed ones, and of these the named one if one is named.
func bind(named string, natural, allowed []Algorithm) ([]Algorithm, string) {
	if named == "Ed25519" {
		named = string(EdDSA)
	}
	var fitting []Algorithm
	for _, n := range natural {
		if slices.Contains(allowed, n) && (named == "" || named == string(n)) {
			fitting = append(fitting, n)
		}
	}
	switch {
	case len(fitting) > 0:
		return fitting, ""
	case named == "":
		return nil, "no allowed algorithm for this type of key"
	default:
		return nil, "algorithm not allowed, or not of this type of key"
	}
}

// unbind takes an algorithm from the key.
func (k *Key) unbind(alg Algorithm) {
	if at := slices.Index(k.algorithms, alg); at >= 0 {
		k.algorithms = slices.Delete(k.algorithms, at, at+1)
		k.verifiers = slices.Delete(k.verifiers, at, at+1)
	}
}

// curvePoint takes an elliptic curve key (RFC 7518 section 6.2). Coordinates
// may lack leading zero bytes, as Stack Auth publishes one key in 128; they
// may not have more bytes than the field.
func (k *Key) curvePoint(p jwk.ECDSAPublicKey) (natural []Algorithm, why string) {
	var curve elliptic.Curve
	switch p.Crv() {
	case jwa.P256:
		curve, natural = elliptic.P256(), []Algorithm{ES256}
	case jwa.P384:
		curve, natural = elliptic.P384(), []Algorithm{ES384}
	case jwa.P521:
		curve, natural = elliptic.P521(), []Algorithm{ES512}
	default:
		return nil, "unknown curve"
	}
	size := (curve.Params().BitSize + 7) / 8
	x, y := p.X(), p.Y()
	if len(x) == 0 || len(y) == 0 || len(x) > size || len(y) > size {
		return nil, "coordinates of the wrong length"
	}
	point := make([]byte, 1+2*size)
	point[0] = 4 // uncompressed, SEC 1 section 2.3.3
	copy(point[1+size-len(x):], x)
	copy(point[1+2*size-len(y):], y)
	material, err := ecdsa.ParseUncompressedPublicKey(curve, point)
	if err != nil {
		return nil, "not a point of the curve"
	}
	k.material, k.signature = material, 2*size
	return natural, ""
}

// edwards takes an Ed25519 key (RFC 8037 section 2). The length is checked
// here because crypto/ed25519 panics on a wrong one.
func (k *Key) edwards(p jwk.OKPPublicKey) (natural []Algorithm, why string) {
	x := p.X()
	switch {
	case p.Crv() != jwa.Ed25519:
		return nil, "unknown curve"
	case len(x) != ed25519.PublicKeySize:
		return nil, "coordinates of the wrong length"
	case !strongEdwardsPoint(x):
		return nil, "not a point of the curve, or one of small order"
	}
	k.material, k.signature = ed25519.PublicKey(x), ed25519.SignatureSize
	return []Algorithm{EdDSA}, ""
}

// modulus takes an RSA key (RFC 7518 section 6.3).
func (k *Key) modulus(p jwk.RSAPublicKey) (natural []Algorithm, why string) {
	n, e := new(big.Int).SetBytes(p.N()), new(big.Int).SetBytes(p.E())
	switch {
	case n.BitLen() < minModulus:
		return nil, "RSA modulus of fewer than 2048 bits"
	case n.BitLen() > maxModulus:
		return nil, "RSA modulus of more than 8192 bits"
	case n.Bit(0) == 0:
		return nil, "RSA modulus is even"
	case e.BitLen() > 31 || e.Int64() < minExponent || e.Bit(0) == 0:
		return nil, "RSA exponent is even, below 65537 or beyond 31 bits"
	case factorable(n):
		return nil, "RSA key can be factored (CVE-2017-15361, ROCA)"
	}
	var material crypto.PublicKey
	if err := p.Raw(&material); err != nil {
		return nil, "not a public key"
	}
	k.material, k.signature = material, (n.BitLen()+7)/8
	return []Algorithm{RS256, RS384, RS512, PS256, PS384, PS512}, ""
}

// thumbprint is computed over the canonical form of the key, not over the
// members as they were published.
func thumbprint(material crypto.PublicKey) (string, error) {
	canonical, err := jwk.FromRaw(material)
	if err != nil {
		return "", err
	}
	sum, err := canonical.Thumbprint(crypto.SHA256)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(sum), nil
}
