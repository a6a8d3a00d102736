package keyset

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"math/big"
	"testing"
)

// benchToken returns the policy, set and upstream token the benchmarks share:
// Stack's ordinary token of 914 bytes, or Neon's of 876.
func benchToken(b *testing.B, upstream, name string) (*Policy, *Set, []byte) {
	b.Helper()
	p := neonConfig(b)
	if upstream == "stack" {
		p = stackConfig(b)["default"]
	}
	var tokens []fixtureToken
	read(b, upstream+"/tokens.json", &tokens)
	for _, f := range tokens {
		if f.Name == name {
			return p, fixtureSet(b, upstream+"/jwks.json", p.Algorithms...), []byte(f.Token)
		}
	}
	b.Fatalf("no token %q", name)
	return nil, nil, nil
}

// verifyLoop measures a token that is not cached: Gate and Verify.
func verifyLoop(b *testing.B, p *Policy, s *Set, token []byte) {
	b.Helper()
	b.ReportAllocs()
	for b.Loop() {
		if !Gate(token) {
			b.Fatal("refused by the gate")
		}
		if _, reason := Verify(p, s, token, fixtureNow, nil); reason != accepted {
			b.Fatal(reason)
		}
	}
}

// BenchmarkVerifyES256 and BenchmarkBareECDSA verify the same signature; their
// ratio shows what Verify adds to the mathematics.
func BenchmarkVerifyES256(b *testing.B) {
	p, s, token := benchToken(b, "stack", "normal")
	verifyLoop(b, p, s, token)
}

func BenchmarkBareECDSA(b *testing.B) {
	p, s, token := benchToken(b, "stack", "normal")
	first, second, third := segments(token)
	kid, _ := p.Doubt(s, token, unknownKey)
	public := s.Find(kid).material.(*ecdsa.PublicKey)
	signature := decode(third, 64)
	r, low := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
	digest := sha256.Sum256(token[:len(first)+1+len(second)])
	b.ReportAllocs()
	for b.Loop() {
		if !ecdsa.Verify(public, digest[:], r, low) {
			b.Fatal("refused")
		}
	}
}

func BenchmarkVerifyEdDSA(b *testing.B) {
	p, s, token := benchToken(b, "neon", "normal")
	verifyLoop(b, p, s, token)
}

func BenchmarkVerifyRS256(b *testing.B) {
	m := minters()[RS256]
	s := mustSet(b, setBody(m.jwk(nil)))
	_, _, like := benchToken(b, "stack", "normal")
	_, payload, _ := segments(like)
	p := stackConfig(b)["default"]
	p.Algorithms = []Algorithm{RS256}
	verifyLoop(b, p, s, []byte(m.mint(m.header(), string(decode(payload, MaxToken)))))
}

func BenchmarkRefuseForgedES256(b *testing.B) {
	p, s, token := benchToken(b, "stack", "sig-first-bit")
	b.ReportAllocs()
	for b.Loop() {
		if _, reason := Verify(p, s, token, fixtureNow, nil); reason != badSignature {
			b.Fatal(reason)
		}
	}
}

func BenchmarkGate(b *testing.B) {
	_, _, token := benchToken(b, "stack", "normal")
	b.ReportAllocs()
	b.SetBytes(int64(len(token)))
	for b.Loop() {
		if !Gate(token) {
			b.Fatal("refused")
		}
	}
}

// BenchmarkSHA256 is the digest of the same token, the price of a cache key.
func BenchmarkSHA256(b *testing.B) {
	_, _, token := benchToken(b, "stack", "normal")
	b.ReportAllocs()
	b.SetBytes(int64(len(token)))
	var sum [32]byte
	for b.Loop() {
		sum = sha256.Sum256(token)
	}
	_ = sum
}

func BenchmarkParseSet(b *testing.B) {
	var entries []any
	for range 6 {
		m := *minters()[ES256].fresh()
		m.kid += string(rune('a' + len(entries)))
		entries = append(entries, m.jwk(nil))
	}
	body := setBody(entries...)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseSet(body, []Algorithm{ES256}); err != nil {
			b.Fatal(err)
		}
	}
}
