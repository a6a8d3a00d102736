package keyset

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/protocol"
)

// TestATokenOfAKeyThatCannotBeUsedIsUnknown: its issuer has published the key, so nothing
// is proved against the token. It does not matter what is wrong with the key.
func TestATokenOfAKeyThatCannotBeUsedIsUnknown(t *testing.T) {
	all := oddMembers()
	maps.Copy(all, oddPoints())
	maps.Copy(all, oddModuli(t))
	signer := *minters()[ES512]
	named := 0
	for name, entry := range all {
		text := mustJSON(entry)
		var said struct {
			KeyID *string `json:"kid"`
			Type  any     `json:"kty"`
		}
		if err := json.Unmarshal(text, &said); err != nil || said.KeyID == nil {
			continue // the entry names no id that a token could name
		}
		if slices.Contains([]string{"oct", "ML-DSA", "curve of Bitcoin"}, name) {
			continue // the key has signed no token of an algorithm that the daemon has
		}
		named++
		alg := ES256
		switch said.Type {
		case "RSA":
			alg = RS256
		case "OKP":
			alg = EdDSA
		}
		s := mustSet(t, setBody(signer.jwk(nil), raw("%s", text)))
		header := string(mustJSON(map[string]any{"alg": alg, "kid": *said.KeyID}))
		var trace Trace
		if _, outcome := Verify(testPolicy(), s, []byte(signer.mint(header, testPayload(nil))), testNow, &trace); outcome != unusableKey {
			t.Errorf("%s: %v", name, outcome)
		}
		if why := s.Skipped()[0].Why; !strings.HasPrefix(trace.Detail, "entry 1 of the key set (counted from 0) has the id of its key") || !strings.HasSuffix(trace.Detail, why) {
			t.Errorf("%s: %q does not say %q", name, trace.Detail, why)
		}
		expect(t, testPolicy(), s, signer.mint(strings.Replace(header, `"kid":"`, `"kid":"x`, 1), testPayload(nil)), unknownKey)
		if _, outcome := Verify(testPolicy(), mustSet(t, setBody(signer.jwk(nil))), []byte(signer.mint(header, testPayload(nil))), testNow, nil); outcome != unknownKey {
			t.Errorf("%s: %v with a set that does not have the key", name, outcome)
		}
	}
	if named < 60 {
		t.Errorf("only %d of %d entries have an id", named, len(all))
	}
}

// TestWhichTokensAKeyThatCannotBeUsedMayHaveSigned: those of its id and of an algorithm
// that it may be for. A token without "kid" may be of any key that is not for encryption.
func TestWhichTokensAKeyThatCannotBeUsedMayHaveSigned(t *testing.T) {
	good, stranger := minters()[ES256], minters()[ES256].fresh()
	rs := minters()[RS256]
	short := func(m *minter, extra map[string]any) any {
		members := map[string]any{"x": "AAAA", "n": "AAAA"}
		maps.Copy(members, extra)
		return odd(m, members)
	}
	for name, c := range map[string]struct {
		entry  any
		header string
		want   protocol.Outcome
	}{
		"its algorithm":                 {short(good, nil), `{"alg":"ES256","kid":"odd"}`, unusableKey},
		"another algorithm":             {short(good, nil), `{"alg":"ES384","kid":"odd"}`, wrongAlgorithm},
		"another type":                  {short(good, map[string]any{"alg": nil}), `{"alg":"EdDSA","kid":"odd"}`, wrongAlgorithm},
		"another curve":                 {short(good, map[string]any{"alg": nil}), `{"alg":"ES384","kid":"odd"}`, wrongAlgorithm},
		"a curve that nobody knows":     {short(good, map[string]any{"alg": nil, "crv": "P-255"}), `{"alg":"ES384","kid":"odd"}`, unusableKey},
		"RSA without alg":               {short(rs, map[string]any{"alg": nil}), `{"alg":"PS512","kid":"odd"}`, unusableKey},
		"RSA for one algorithm":         {short(rs, nil), `{"alg":"PS512","kid":"odd"}`, wrongAlgorithm},
		"a new name for EdDSA":          {short(minters()[EdDSA], map[string]any{"alg": "Ed25519"}), `{"alg":"EdDSA","kid":"odd"}`, unusableKey},
		"an alg that is not its type's": {odd(good, map[string]any{"alg": "ES384"}), `{"alg":"ES384","kid":"odd"}`, unusableKey},
		"an alg in the wrong case":      {odd(good, map[string]any{"alg": "es256"}), `{"alg":"ES256","kid":"odd"}`, unusableKey},
		"not the project's algorithm":   {short(good, nil), `{"alg":"HS256","kid":"odd"}`, wrongAlgorithm},
		"another id":                    {short(good, nil), `{"alg":"ES256","kid":"even"}`, unknownKey},
		"two ids":                       {raw(`{"kty":"EC","kid":"even","kid":"odd"}`), `{"alg":"ES256","kid":"odd"}`, unusableKey},
		"the id of a good key":          {short(good, map[string]any{"kid": good.kid}), good.header(), unusableKey},
		"a copy of a good key":          {good.jwk(nil), good.header(), badSignature},
		"no id named":                   {short(good, nil), `{"alg":"ES256"}`, unusableKey},
		"no id named nor given":         {short(good, map[string]any{"kid": nil}), `{"alg":"ES256"}`, unusableKey},
		"no id, another algorithm":      {short(rs, nil), `{"alg":"ES256"}`, badSignature},
		"no id, no key of it":           {short(rs, nil), `{"alg":"RS256"}`, unusableKey},
		"no id, for encryption":         {odd(good, map[string]any{"use": "enc"}), `{"alg":"ES256"}`, badSignature},
		"no id, an encryption alg":      {odd(good, map[string]any{"alg": "ECDH-ES"}), `{"alg":"ES256"}`, badSignature},
		"no id, a copy":                 {good.jwk(nil), `{"alg":"ES256"}`, badSignature},
		"a secret key":                  {raw(`{"kty":"oct","kid":"odd","alg":"HS256","k":"AAAA"}`), `{"alg":"ES256","kid":"odd"}`, wrongAlgorithm},
		"a secret key for ES256":        {raw(`{"kty":"oct","kid":"odd","alg":"ES256","k":"AAAA"}`), `{"alg":"ES256","kid":"odd"}`, unusableKey},
		"a type that nobody knows":      {raw(`{"kty":"XYZ","kid":"odd"}`), `{"alg":"ES256"}`, unusableKey},
		"no id, ML-DSA":                 {raw(`{"kty":"AKP","kid":"odd","alg":"ML-DSA-65","pub":"AAAA"}`), `{"alg":"ES256"}`, badSignature},
		"no id, a secret key":           {raw(`{"kty":"oct","kid":"odd","k":"AAAA"}`), `{"alg":"ES256"}`, badSignature},
		"no id, the curve of Bitcoin":   {short(good, map[string]any{"crv": "secp256k1", "alg": "ES256K"}), `{"alg":"ES256"}`, badSignature},
		"no id, X25519":                 {raw(`{"kty":"OKP","kid":"odd","crv":"X25519","x":"AAAA"}`), `{"alg":"EdDSA"}`, unknownKey},
		"no id, Ed448":                  {raw(`{"kty":"OKP","kid":"odd","crv":"Ed448","x":"AAAA"}`), `{"alg":"EdDSA"}`, unusableKey},
		"no id, no object":              {"odd", `{"alg":"ES256"}`, badSignature},
	} {
		p := testPolicy()
		p.KeyIDOptional = true
		s := mustSet(t, setBody(good.jwk(nil), c.entry))
		token := stranger.mint(c.header, testPayload(nil))
		if _, outcome := Verify(p, s, []byte(token), testNow, nil); outcome != c.want {
			t.Errorf("%s: %v, want %v", name, outcome, c.want)
		}
		if is, suspected := s.Suspect([]byte(token)); suspected != (c.want == unusableKey) || suspected && is != s.Skipped()[0] {
			t.Errorf("%s: suspects %v, %v", name, is, suspected)
		}
		expect(t, p, s, good.mint(good.header(), testPayload(nil)), accepted)
	}
}

// TestAKeyThatIsPublishedTwiceIsJudgedByTheEntryThatIsUsed, because the other entry has the
// same key: for encryption, for example.
func TestAKeyThatIsPublishedTwiceIsJudgedByTheEntryThatIsUsed(t *testing.T) {
	good, rs := minters()[ES256], minters()[RS256]
	for name, c := range map[string]struct {
		m      *minter
		again  map[string]any // what the other entry has that the used one has not
		header string
		want   protocol.Outcome
	}{
		"for encryption":                  {rs, map[string]any{"use": "enc"}, rs.header(), badSignature},
		"an encryption algorithm":         {rs, map[string]any{"alg": "RSA-OAEP", "use": "enc"}, rs.header(), badSignature},
		"an encryption algorithm alone":   {good, map[string]any{"alg": "ECDH-ES"}, good.header(), badSignature},
		"for encryption, another alg":     {rs, map[string]any{"alg": nil, "use": "enc"}, string(mustJSON(map[string]any{"alg": PS256, "kid": rs.kid})), wrongAlgorithm},
		"no alg":                          {good, map[string]any{"alg": nil, "key_ops": []string{"encrypt"}}, good.header(), badSignature},
		"with the private member":         {good, map[string]any{"d": "AQAB"}, good.header(), badSignature},
		"no kid":                          {good, map[string]any{"kid": nil, "key_ops": []string{"encrypt"}}, `{"alg":"ES256"}`, badSignature},
		"another algorithm, not for sign": {rs, map[string]any{"alg": "PS256", "key_ops": []string{}}, string(mustJSON(map[string]any{"alg": PS256, "kid": rs.kid})), unusableKey},
		"another kid":                     {good, map[string]any{"kid": "odd", "use": "enc"}, `{"alg":"ES256","kid":"odd"}`, unusableKey},
		"another key":                     {good, map[string]any{"x": good.fresh().jwk(nil)["x"], "use": "enc"}, good.header(), unusableKey},
		"another key that can be read":    {rs, map[string]any{"n": rs.fresh().jwk(nil)["n"], "use": "enc"}, rs.header(), unusableKey},
	} {
		p := testPolicy()
		p.KeyIDOptional = true
		again := c.m.jwk(c.again)
		for order, s := range map[string]*Set{"first": mustSet(t, setBody(again, c.m.jwk(nil))), "last": mustSet(t, setBody(c.m.jwk(nil), again))} {
			if _, outcome := Verify(p, s, []byte(c.m.fresh().mint(c.header, testPayload(nil))), testNow, nil); outcome != c.want {
				t.Errorf("%s, %s in the set: %v, want %v", name, order, outcome, c.want)
			}
			if len(s.Skipped()) != 1 {
				t.Errorf("%s, %s in the set: skipped are %v", name, order, s.Skipped())
			}
			expect(t, p, s, c.m.mint(c.m.header(), testPayload(nil)), accepted)
		}
	}
}

// TestAKeySetKeepsNoIDThatNoTokenCanName, so that what it keeps stays small.
func TestAKeySetKeepsNoIDThatNoTokenCanName(t *testing.T) {
	m := minters()[ES256]
	s := mustSet(t, setBody(m.jwk(nil), odd(m.fresh(), map[string]any{"kid": strings.Repeat("k", MaxToken)}), odd(m.fresh(), map[string]any{"kid": strings.Repeat("k", MaxToken+1)})))
	if len(s.unused) != 2 || len(s.unused[0].ids) != 1 || len(s.unused[1].ids) != 0 {
		t.Errorf("%d entries with %d and %d ids", len(s.unused), len(s.unused[0].ids), len(s.unused[1].ids))
	}
}
