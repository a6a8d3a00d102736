package keyset

import (
	"errors"
	"strings"
	"testing"
)

// counting is a verifier that takes everything and counts how often it is asked.
type counting struct{ asked *int }

func (c counting) Verify(_, _ []byte, _ any) error { *c.asked++; return nil }

func TestSignaturesOfTheWrongLengthNeverReachTheMathematics(t *testing.T) {
	for _, alg := range Algorithms() {
		m := minters()[alg]
		s := mustSet(t, setBody(m.jwk(nil)))
		asked := 0
		s.Keys()[0].verifiers[0] = counting{&asked}
		token := m.mint(m.header(), testPayload(nil))
		size := len(signatureOf(token))
		for _, n := range []int{1, 2, 32, size / 2, size - 1, size + 1, size * 2, 1024} {
			expect(t, testPolicy(), s, withSignature(token, make([]byte, n)), badSignature)
		}
		if asked != 0 {
			t.Errorf("%s: asked %d times", alg, asked)
		}
		expect(t, testPolicy(), s, token, accepted)
		if asked != 1 {
			t.Errorf("%s: asked %d times about the right length", alg, asked)
		}
	}
}

func TestSkippedKeysSayWhatIsWrong(t *testing.T) {
	m, ed, rs := minters()[ES256], minters()[EdDSA], minters()[RS256]
	long := b64(make([]byte, 33))
	for want, entry := range map[string]any{
		"coordinates of the wrong length":         m.jwk(map[string]any{"x": long}),
		"not a point of the curve":                m.jwk(map[string]any{"y": m.jwk(nil)["x"]}),
		"use is not sig":                          m.jwk(map[string]any{"use": "enc"}),
		"key_ops does not hold verify":            m.jwk(map[string]any{"key_ops": []string{"sign"}}),
		"holds private or secret members":         ed.jwk(map[string]any{"d": long}),
		"RSA exponent is even, below 65537":       rs.jwk(map[string]any{"e": "Aw"}),
		"RSA modulus of fewer than 2048 bits":     rs.jwk(map[string]any{"n": long}),
		"kid is not 1 to 128 printable ASCII":     m.jwk(map[string]any{"kid": "a\nb"}),
		"kid is not a string":                     m.jwk(map[string]any{"kid": 1}),
		"not of this type of key":                 m.jwk(map[string]any{"alg": "RS256"}),
		"type of key not used for public":         m.jwk(map[string]any{"kty": "oct"}),
		"not an object":                           "x",
		"not a strict JSON object":                raw(`{"kid":"a","KID":"b"}`),
		"not a point of the curve, or one of sma": ed.jwk(map[string]any{"x": b64(append([]byte{1}, make([]byte, 31)...))}),
	} {
		_, err := ParseSet(setBody(entry), Algorithms())
		var unusable *NoUsableKeyError
		if !errors.As(err, &unusable) || len(unusable.Skipped) != 1 || !strings.Contains(err.Error(), "the only key of the set cannot be used (1: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestSkippedKeysAreCountedByKind(t *testing.T) {
	m := minters()[ES256]
	use := m.jwk(map[string]any{"use": "enc"})
	_, err := ParseSet(setBody(use, "x", use, m.jwk(map[string]any{"kid": 1}), use), Algorithms())
	if err == nil || err.Error() != "none of the 5 keys of the set can be used (3: use is not sig; 1: not an object; 1: kid is not a string)" {
		t.Error(err)
	}
	if _, err := ParseSet([]byte(`{"keys":[]}`), Algorithms()); err == nil || err.Error() != "the key set is empty" {
		t.Error(err)
	}
	if Kinds(nil) != "" {
		t.Error("nothing is of some kind")
	}
}

func TestEmptyNamesInThePolicyMatchNothing(t *testing.T) {
	p := testPolicy()
	p.Admitted = []Audience{{Class: ClassNormal, Name: testAudience, Issuers: []string{""}}}
	for _, change := range []map[string]any{{"iss": nil}, {"iss": ""}, {"iss": 1}} {
		s, token := signed(t, testPayload(change))
		expect(t, p, s, string(token), wrongIssuer)
	}
	p.Admitted = []Audience{{Class: ClassNormal, Name: "", Issuers: []string{testIssuer}}}
	for _, change := range []map[string]any{{"aud": nil}, {"aud": ""}, {"aud": 1}} {
		s, token := signed(t, testPayload(change))
		expect(t, p, s, string(token), wrongAudience)
	}
}
