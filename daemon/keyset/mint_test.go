package keyset

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/protocol"
)

// The tests sign with the standard library alone, and not with the code that
// they check.

// minter signs tokens with one key.
type minter struct {
	alg  Algorithm
	kid  string
	key  crypto.Signer
	hash crypto.Hash
}

// minters holds one key for every algorithm; RSA algorithms share a modulus.
var minters = sync.OnceValue(func() map[Algorithm]*minter {
	all := map[Algorithm]*minter{}
	modulus, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	hashes := map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}
	curves := map[Algorithm]elliptic.Curve{ES256: elliptic.P256(), ES384: elliptic.P384(), ES512: elliptic.P521()}
	for _, alg := range Algorithms() {
		m := &minter{alg: alg, kid: "kid-" + string(alg), hash: hashes[string(alg[2:])]}
		switch alg[:2] {
		case "RS", "PS":
			m.key = modulus
		case "ES":
			m.key, err = ecdsa.GenerateKey(curves[alg], rand.Reader)
		default:
			_, m.key, err = ed25519.GenerateKey(rand.Reader)
		}
		if err != nil {
			panic(err)
		}
		all[alg] = m
	}
	return all
})

// fresh returns a minter with a new key of the same kind, under the same kid.
func (m *minter) fresh() *minter {
	out := *m
	var err error
	switch key := m.key.(type) {
	case *ecdsa.PrivateKey:
		out.key, err = ecdsa.GenerateKey(key.Curve, rand.Reader)
	case ed25519.PrivateKey:
		_, out.key, err = ed25519.GenerateKey(rand.Reader)
	case *rsa.PrivateKey:
		out.key, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		panic(err)
	}
	return &out
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// sign returns the signature over the input as the minter's algorithm has it.
func (m *minter) sign(input string) []byte {
	digest := []byte(input)
	if m.hash != 0 {
		h := m.hash.New()
		h.Write(digest)
		digest = h.Sum(nil)
	}
	if key, ok := m.key.(*ecdsa.PrivateKey); ok {
		r, s, err := ecdsa.Sign(rand.Reader, key, digest)
		if err != nil {
			panic(err)
		}
		size := (key.Curve.Params().BitSize + 7) / 8
		out := make([]byte, 2*size)
		r.FillBytes(out[:size])
		s.FillBytes(out[size:])
		return out
	}
	var opts crypto.SignerOpts = m.hash
	if strings.HasPrefix(string(m.alg), "PS") {
		opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: m.hash}
	}
	out, err := m.key.Sign(rand.Reader, digest, opts)
	if err != nil {
		panic(err)
	}
	return out
}

// mint signs a header and a payload, which stand in the token as they are
// given.
func (m *minter) mint(header, payload string) string {
	input := b64([]byte(header)) + "." + b64([]byte(payload))
	return input + "." + b64(m.sign(input))
}

// header returns the plain header of the minter's tokens.
func (m *minter) header() string { return fmt.Sprintf(`{"alg":%q,"kid":%q}`, m.alg, m.kid) }

// jwk returns the public key as a JWK with the members given in extra; a nil
// value there removes the member.
func (m *minter) jwk(extra map[string]any) map[string]any {
	out := map[string]any{"kid": m.kid, "alg": string(m.alg)}
	switch pub := m.key.Public().(type) {
	case *rsa.PublicKey:
		out["kty"], out["n"] = "RSA", b64(pub.N.Bytes())
		out["e"] = b64(big.NewInt(int64(pub.E)).Bytes())
	case *ecdsa.PublicKey:
		point, err := pub.Bytes()
		if err != nil {
			panic(err)
		}
		size := len(point) / 2
		out["kty"], out["crv"] = "EC", pub.Curve.Params().Name
		out["x"], out["y"] = b64(point[1:1+size]), b64(point[1+size:])
	case ed25519.PublicKey:
		out["kty"], out["crv"], out["x"] = "OKP", "Ed25519", b64(pub)
	}
	for name, value := range extra {
		if out[name] = value; value == nil {
			delete(out, name)
		}
	}
	return out
}

// setBody is a key set of the given entries.
func setBody(entries ...any) []byte {
	body, err := json.Marshal(map[string]any{"keys": entries})
	if err != nil {
		panic(err)
	}
	return body
}

// mustSet parses a set that has to be usable.
func mustSet(t testing.TB, body []byte, allowed ...Algorithm) *Set {
	t.Helper()
	if len(allowed) == 0 {
		allowed = Algorithms()
	}
	s, err := ParseSet(body, allowed)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Whom and what the minted tokens are made for.
const (
	testIssuer   = "https://issuer.example"
	testAudience = "audience"
)

var testNow = time.Unix(1_800_000_000, 0)

// testPolicy takes every algorithm and one issuer and audience.
func testPolicy() *Policy {
	return &Policy{
		Algorithms: Algorithms(),
		Admitted:   []Audience{{Class: ClassNormal, Name: testAudience, Issuers: []string{testIssuer}}},
		Leeway:     5 * time.Second,
	}
}

// testPayload is an acceptable payload with members replaced or, by nil,
// removed. Values of type json.RawMessage stand as they are.
func testPayload(change map[string]any) string {
	claims := map[string]any{"iss": testIssuer, "aud": testAudience, "sub": "user", "exp": testNow.Unix() + 600}
	for name, value := range change {
		if claims[name] = value; value == nil {
			delete(claims, name)
		}
	}
	out, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	return string(out)
}

// signed is a payload under the plain header of an ES256 key, and the set that
// holds the key.
func signed(t testing.TB, payload string) (*Set, []byte) {
	t.Helper()
	m := minters()[ES256]
	return mustSet(t, setBody(m.jwk(nil))), []byte(m.mint(m.header(), payload))
}

// expect fails unless the verdict is the wanted one and agrees with itself.
func expect(t testing.TB, p *Policy, s *Set, token string, want protocol.Outcome) Claims {
	t.Helper()
	c, reason := Verify(p, s, []byte(token), testNow, nil)
	if reason != want {
		t.Errorf("got %v, want %v", reason, want)
	}
	checkClaims(t, c, reason)
	return c
}

// checkClaims holds for every verdict.
func checkClaims(t testing.TB, c Claims, reason protocol.Outcome) {
	t.Helper()
	if accepted := reason == accepted; accepted != (c.Subject != "" || c.Session != "") || accepted != (c.Key != nil) ||
		accepted != (len(c.JSON) > 0) || accepted == c.Expires.IsZero() {
		t.Errorf("verdict %v with claims %+v", reason, c)
	}
}
