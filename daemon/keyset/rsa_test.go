package keyset

import (
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"math/big"
	"strings"
	"testing"
)

// TestSaltsOfPSSAreAsLongAsTheHash: RFC 7518 section 3.5.
func TestSaltsOfPSSAreAsLongAsTheHash(t *testing.T) {
	for _, alg := range []Algorithm{PS256, PS384, PS512} {
		m := minters()[alg]
		for _, extra := range []map[string]any{nil, {"alg": nil}} {
			s := mustSet(t, setBody(m.jwk(extra)))
			token := m.mint(m.header(), testPayload(nil))
			expect(t, testPolicy(), s, token, accepted)
			input := token[:strings.LastIndex(token, ".")]
			h := m.hash.New()
			h.Write([]byte(input))
			key := m.key.(*rsa.PrivateKey)
			longest := key.Size() - 2 - m.hash.Size()
			for _, salt := range []int{0, 1, 20, 32, 48, 64, longest, m.hash.Size() - 1, m.hash.Size() + 1} {
				opts := &rsa.PSSOptions{SaltLength: salt, Hash: m.hash}
				if salt == 0 {
					opts.SaltLength = rsa.PSSSaltLengthAuto // as long as possible; a salt of no bytes cannot be asked for
				}
				signature, err := rsa.SignPSS(rand.Reader, key, m.hash, h.Sum(nil), opts)
				if err != nil {
					t.Fatal(err)
				}
				want := badSignature
				if salt == m.hash.Size() {
					want = accepted
				}
				if _, reason := Verify(testPolicy(), s, []byte(input+"."+b64(signature)), testNow, nil); reason != want {
					t.Errorf("%s with a salt of %d bytes: %v, want %v", alg, salt, reason, want)
				}
			}
		}
	}
}

// rocaModulus is the product of two primes as the faulty library made them.
func rocaModulus(t testing.TB) *big.Int {
	t.Helper()
	product := big.NewInt(2)
	for p := int64(3); p <= rocaPrimes; p += 2 {
		if oddPrime(p) {
			product.Mul(product, big.NewInt(p))
		}
	}
	factor := func() *big.Int {
		for {
			a, err := rand.Int(rand.Reader, product)
			if err != nil {
				t.Fatal(err)
			}
			k, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), uint(1024-product.BitLen())))
			if err != nil {
				t.Fatal(err)
			}
			k.SetBit(k, 1024-product.BitLen()-1, 1)
			p := new(big.Int).Exp(big.NewInt(65537), a, product)
			if p.Add(p, k.Mul(k, product)); p.BitLen() == 1024 && p.ProbablyPrime(4) {
				return p
			}
		}
	}
	for {
		if n := new(big.Int).Mul(factor(), factor()); n.BitLen() >= minModulus {
			return n
		}
	}
}

// TestKeysThatCanBeFactoredAreSkipped: CVE-2017-15361.
func TestKeysThatCanBeFactoredAreSkipped(t *testing.T) {
	m := minters()[RS256]
	for range 3 {
		weak := m.jwk(map[string]any{"n": b64(rocaModulus(t).Bytes()), "kid": "weak"})
		_, err := ParseSet(setBody(weak), Algorithms())
		var unusable *NoUsableKeyError
		if !errors.As(err, &unusable) || !strings.Contains(err.Error(), "CVE-2017-15361") {
			t.Fatal(err)
		}
		s := mustSet(t, setBody(weak, m.jwk(nil)))
		if len(s.Keys()) != 1 || len(s.Skipped()) != 1 {
			t.Errorf("%d keys, skipped %v", len(s.Keys()), s.Skipped())
		}
		expect(t, testPolicy(), s, m.mint(m.header(), testPayload(nil)), accepted)
	}
	for range 20 { // and no others
		n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 4096))
		if err != nil {
			t.Fatal(err)
		}
		if n.SetBit(n, 0, 1); factorable(n) {
			t.Errorf("%x", n)
		}
	}
	if factorable(new(big.Int).Exp(big.NewInt(3), big.NewInt(1500), nil)) {
		t.Error("what one of the primes divides is no power modulo that prime")
	}
}

// BenchmarkFactorable is what the test costs a key when it is loaded.
func BenchmarkFactorable(b *testing.B) {
	for name, n := range map[string]*big.Int{"honest": minters()[RS256].key.Public().(*rsa.PublicKey).N, "roca": rocaModulus(b)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				factorable(n)
			}
		})
	}
}
