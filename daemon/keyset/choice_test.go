package keyset

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/protocol"
)

// TestATokenWithoutKeyIDIsTriedWithEachKeyOfItsAlgorithm: the token does not
// say which key is meant, so it is refused only after all of them were tried.
func TestATokenWithoutKeyIDIsTriedWithEachKeyOfItsAlgorithm(t *testing.T) {
	p := testPolicy()
	p.KeyIDOptional = true
	for _, n := range []int{1, 2, MaxTried - 1, MaxTried, MaxTried + 1} {
		var signers []*minter
		entries := []any{minters()[EdDSA].jwk(nil), minters()[RS256].jwk(nil)} // these are not in the way
		for i := range n {
			m := minters()[ES256].fresh()
			m.kid = fmt.Sprint("es", i)
			signers = append(signers, m)
			entries = append(entries, m.jwk(map[string]any{"kid": []any{m.kid, nil}[i%2]}))
		}
		s := mustSet(t, setBody(entries...))
		token := func(m *minter) string { return m.mint(`{"alg":"ES256"}`, testPayload(nil)) }
		for i, m := range signers {
			want := accepted
			if i >= MaxTried {
				want = tooManyKeys
			}
			if c := expect(t, p, s, token(m), want); want == accepted && c.Key != s.Keys()[i+2] {
				t.Errorf("key %d of %d: accepted as of another key", i, n)
			}
		}
		stranger := badSignature
		if n > MaxTried {
			stranger = tooManyKeys
		}
		expect(t, p, s, token(minters()[ES256].fresh()), stranger)
		expect(t, p, s, minters()[EdDSA].mint(`{"alg":"EdDSA"}`, testPayload(nil)), accepted)

		// A withdrawn key is not tried, and does not count among those that are
		// tried.
		next := mustSet(t, setBody(slices.Delete(slices.Clone(entries), 2, 3)...))
		next.Succeed(s)
		expect(t, p, s, token(signers[0]), map[bool]protocol.Outcome{true: badSignature, false: unknownKey}[n > 1])
		if n > 1 {
			expect(t, p, s, token(signers[n-1]), accepted)
		}
	}
}

// TestKeyIDAndAlgorithmTogetherNameTheKey: one id may stand for several keys
// that their algorithms tell apart.
func TestKeyIDAndAlgorithmTogetherNameTheKey(t *testing.T) {
	rs, es, ed := *minters()[RS256], *minters()[ES256], *minters()[EdDSA]
	rs.kid, es.kid, ed.kid = "one", "one", "one"
	twin := rs.fresh()
	as := func(m minter, alg Algorithm) *minter {
		m.alg, m.hash = alg, minters()[alg].hash
		return &m
	}
	type keys = []any
	for name, c := range map[string]struct {
		entries           keys
		accepted, refused []*minter
		keys, skipped     int
	}{
		"of three types":             {keys{rs.jwk(nil), es.jwk(nil), ed.jwk(nil)}, []*minter{&rs, &es, &ed}, []*minter{as(rs, PS256), es.fresh()}, 3, 0},
		"of three types, no alg":     {keys{rs.jwk(map[string]any{"alg": nil}), es.jwk(map[string]any{"alg": nil})}, []*minter{&rs, as(rs, PS512), &es}, []*minter{twin, &ed}, 2, 0},
		"one key for two algorithms": {keys{rs.jwk(nil), as(rs, PS256).jwk(nil)}, []*minter{&rs, as(rs, PS256)}, []*minter{as(rs, RS512)}, 2, 0},
		"two keys, two algorithms":   {keys{rs.jwk(nil), as(*twin, PS256).jwk(nil)}, []*minter{&rs, as(*twin, PS256)}, []*minter{twin, as(rs, PS256)}, 2, 0},
		"named, then open":           {keys{rs.jwk(nil), rs.jwk(map[string]any{"alg": nil})}, []*minter{&rs, as(rs, RS384)}, []*minter{twin}, 2, 0},
		"open, then named":           {keys{rs.jwk(map[string]any{"alg": nil}), rs.jwk(nil)}, []*minter{&rs, as(rs, RS384)}, []*minter{twin}, 1, 1},
		"two keys, one algorithm":    {keys{rs.jwk(nil), twin.jwk(map[string]any{"alg": nil}), es.jwk(nil)}, []*minter{as(*twin, PS256), &es}, []*minter{&rs, twin, as(rs, PS256)}, 2, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := mustSet(t, setBody(c.entries...))
			if len(s.Keys()) != c.keys || len(s.Skipped()) != c.skipped {
				t.Errorf("%d keys, skipped %v", len(s.Keys()), s.Skipped())
			}
			for _, m := range c.accepted {
				expect(t, testPolicy(), s, m.mint(m.header(), testPayload(nil)), accepted)
			}
			for _, m := range c.refused {
				if _, reason := Verify(testPolicy(), s, []byte(m.mint(m.header(), testPayload(nil))), testNow, nil); reason.Status() == protocol.OK {
					t.Errorf("%s: %v", m.alg, reason)
				}
			}
			// A successor keeps the records, each for its own use.
			next := mustSet(t, setBody(c.entries...))
			next.Succeed(s)
			if !slices.Equal(next.Keys(), s.Keys()) {
				t.Error("the records of unchanged keys were not kept")
			}
			for _, m := range c.accepted {
				expect(t, testPolicy(), next, m.mint(m.header(), testPayload(nil)), accepted)
			}
		})
	}
}

// TestAKeyWithoutAlgorithmServesEachOfItsTypeThatThePolicyAdmits: it serves no
// other algorithm.
func TestAKeyWithoutAlgorithmServesEachOfItsTypeThatThePolicyAdmits(t *testing.T) {
	open := map[string]any{"alg": nil}
	s := mustSet(t, setBody(minters()[RS256].jwk(open), minters()[ES256].jwk(open), minters()[EdDSA].jwk(open)))
	few := []Algorithm{RS384, PS256, ES256}
	narrow := testPolicy()
	narrow.Algorithms = few
	narrowSet := mustSet(t, setBody(minters()[RS256].jwk(open), minters()[ES256].jwk(open)), few...)
	for _, alg := range Algorithms() {
		m := *minters()[alg]
		if m.kid = "kid-ES256"; alg[0] != 'E' {
			m.kid = "kid-RS256"
		}
		want := accepted
		if alg == ES384 || alg == ES512 || alg == EdDSA { // the key with this id has another curve or type
			want = wrongAlgorithm
		}
		expect(t, testPolicy(), s, m.mint(m.header(), testPayload(nil)), want)
		if !slices.Contains(few, alg) {
			want = wrongAlgorithm
		}
		expect(t, narrow, narrowSet, m.mint(m.header(), testPayload(nil)), want)
	}
}

// TestDoubtIsWhatANewerKeySetCouldSettle: there is no doubt about any other
// outcome.
func TestDoubtIsWhatANewerKeySetCouldSettle(t *testing.T) {
	named, unnamed, algorithm := `{"alg":"ES256","kid":"kid-ES256"}`, `{"alg":"ES256"}`, `{"alg":"RS256","kid":"kid-ES256"}`
	strict, optional, narrow := testPolicy(), testPolicy(), testPolicy()
	optional.KeyIDOptional = true
	narrow.Algorithms = []Algorithm{EdDSA}
	m := minters()[ES256]
	short := map[string]any{"x": "AAAA"}
	s := mustSet(t, setBody(minters()[EdDSA].jwk(nil), m.jwk(short), odd(m, map[string]any{"kid": strings.Repeat("k", 129)})))
	many := []any{}
	for i := range MaxTried + 1 {
		many = append(many, m.fresh().jwk(map[string]any{"kid": fmt.Sprint("es", i)}))
	}
	crowd := mustSet(t, setBody(append(many, m.jwk(short))...))
	for _, c := range []struct {
		name, header string
		p            *Policy
		reason       protocol.Outcome
		kid          string
		doubtful     bool
	}{
		{"no such key", named, strict, unknownKey, "kid-ES256", true},
		{"not signed by it", named, strict, badSignature, "kid-ES256", true},
		{"another algorithm", algorithm, strict, wrongAlgorithm, "kid-ES256", true},
		{"no algorithm of the policy", named, narrow, wrongAlgorithm, "", false},
		{"no algorithm at all", `{"kid":"kid-ES256"}`, strict, wrongAlgorithm, "", false},
		{"no key named", unnamed, optional, badSignature, "", true},
		{"no key of the algorithm", unnamed, optional, unknownKey, "", true},
		{"no key named where one has to be", unnamed, strict, malformed, "", false},
		{"an id that no key has", `{"alg":"ES256","kid":""}`, strict, unknownKey, "", false},
		{"a header to be refused", `{"alg":"ES256","kid":"a","crit":[]}`, strict, malformed, "", false},
		{"the key cannot be used", named, strict, unusableKey, "kid-ES256", true},
		{"no key named, and one cannot be used", unnamed, optional, unusableKey, "", true},
		{"a key of an odd id, which is never looked for", `{"alg":"ES256","kid":"` + strings.Repeat("k", 129) + `"}`, strict, unusableKey, strings.Repeat("k", 129), false},
		{"signed and expired", named, strict, expired, "", false},
		{"accepted", named, strict, accepted, "", false},
	} {
		token := m.mint(c.header, testPayload(nil))
		if kid, doubtful := c.p.Doubt(s, []byte(token), c.reason); kid != c.kid || doubtful != c.doubtful {
			t.Errorf("%s: %q, %v", c.name, kid, doubtful)
		}
	}
	if kid, doubtful := optional.Doubt(crowd, []byte(m.mint(unnamed, testPayload(nil))), tooManyKeys); kid != "" || doubtful {
		t.Errorf("too many keys: %q, %v", kid, doubtful)
	}
}

// TestTheSameKeyTwiceWithoutIDIsOneKey: the same set again withdraws nothing.
func TestTheSameKeyTwiceWithoutIDIsOneKey(t *testing.T) {
	nameless := map[string]any{"kid": nil}
	m, rs := minters()[ES256], minters()[RS256]
	body := setBody(m.jwk(nameless), rs.jwk(nameless), m.jwk(nameless), rs.jwk(map[string]any{"kid": nil, "alg": nil}))
	old := mustSet(t, body)
	next := mustSet(t, body)
	if gone := next.Succeed(old); len(gone) != 0 || !slices.Equal(next.Keys(), old.Keys()) {
		t.Errorf("%d keys were withdrawn", len(gone))
	}
	if len(old.Keys()) != 3 || len(old.Skipped()) != 1 || old.Skipped()[0] != (Skipped{2, sameKeyAgain}) {
		t.Errorf("%d keys, skipped %v", len(old.Keys()), old.Skipped())
	}
	p := testPolicy()
	p.KeyIDOptional = true
	expect(t, p, next, m.mint(`{"alg":"ES256"}`, testPayload(nil)), accepted)
	expect(t, p, next, minters()[PS256].mint(`{"alg":"PS256"}`, testPayload(nil)), accepted)
	expect(t, p, next, m.fresh().mint(`{"alg":"ES256"}`, testPayload(nil)), badSignature)
}
