package keyset

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/internal/e2e/need"
)

// wycheproof is a file of the project of that name: groups of tests around a key.
type wycheproof struct {
	NumberOfTests int `json:"numberOfTests"`
	TestGroups    []struct {
		Comment         string
		Public, Private json.RawMessage // a JWK or a set of them
		PublicKeyJWK    json.RawMessage `json:"publicKeyJwk"`
		PublicKey       struct{ Uncompressed string }
		KeyJWK          json.RawMessage `json:"keyJwk"`
		Tests           []struct {
			ID       int `json:"tcId"`
			Comment  string
			Result   string
			JWS      json.RawMessage // a compact token, or a JSON serialisation
			Msg, Sig string
		}
	} `json:"testGroups"`
}

// readWycheproof returns one file, and fails if it has fewer tests than that.
func readWycheproof(t *testing.T, name string, atLeast int) (w wycheproof) {
	t.Helper()
	if err := json.Unmarshal(need.Vectors(t, "wycheproof")[name], &w); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, g := range w.TestGroups {
		n += len(g.Tests)
	}
	if n < atLeast || n != w.NumberOfTests {
		t.Fatalf("%d tests", n)
	}
	return w
}

// signatureHolds tells whether a token passes the check of its signature. The
// payloads of these tests are no claims, so no token is accepted.
func signatureHolds(s *Set, token string) bool {
	p := testPolicy()
	p.KeyIDOptional, p.AccessTokenType = true, true
	var t Trace
	Verify(p, s, []byte(token), testNow, &t)
	for _, step := range t.Steps {
		if step.Stage == StageSignature {
			return step.Result == Passed
		}
	}
	return false
}

// disagreement says why we refuse a test that the suite takes; "" if we have no
// reason. We take nothing that the suite refuses.
func disagreement(keys []byte, comment string) string {
	switch {
	case strings.Contains(string(keys), `"oct"`):
		return "there is no algorithm with a shared secret here: whoever verifies could sign"
	case comment == "emptyPayload":
		return "a payload of no bytes is no claims, and the gate wants three parts"
	case comment == "Figure20":
		return "a key that names its algorithm is for no other, and the token has another"
	case comment == "Figure27":
		return "the key's alg is ES521, which is none"
	}
	return ""
}

// TestWycheproofTokens runs the tests of whole tokens and of whole keys.
func TestWycheproofTokens(t *testing.T) {
	disagreements, held := map[string]int{}, 0
	for name, atLeast := range map[string]int{"json_web_signature_test.json": 401, "json_web_key_test.json": 26} {
		for _, g := range readWycheproof(t, name, atLeast).TestGroups {
			keys := g.Public
			if keys == nil {
				keys = g.Private
			}
			var set struct{ Keys json.RawMessage }
			if json.Unmarshal(keys, &set) == nil && set.Keys == nil {
				keys = fmt.Appendf(nil, `{"keys":[%s]}`, keys)
			}
			s, err := ParseSet(keys, Algorithms())
			for _, test := range g.Tests {
				var token string
				if json.Unmarshal(test.JWS, &token) != nil {
					token = string(test.JWS)
				}
				holds := err == nil && signatureHolds(s, token)
				if holds {
					held++
				}
				why := disagreement(keys, test.Comment)
				switch valid := test.Result == "valid"; {
				case holds == valid:
				case valid && why != "":
					disagreements[why]++
				default:
					t.Errorf("%s, %s, %d (%s): %s, and here %v; keys: %v", name, g.Comment, test.ID, test.Comment, test.Result, holds, err)
				}
			}
		}
	}
	if len(disagreements) != 4 || held < 25 {
		t.Errorf("%d held; disagreements: %v", held, disagreements)
	}
	t.Logf("%d held; disagreements: %v", held, disagreements)
}

// TestWycheproofSignatures runs the tests of bare signatures: their messages are
// no tokens, so they are put to the key itself.
func TestWycheproofSignatures(t *testing.T) {
	for name, c := range map[string]struct {
		alg     Algorithm
		atLeast int
	}{
		"ecdsa_secp256r1_sha256_p1363_test.json": {ES256, 262},
		"ecdsa_secp384r1_sha384_p1363_test.json": {ES384, 280},
		"ecdsa_secp521r1_sha512_p1363_test.json": {ES512, 318},
		"ed25519_test.json":                      {EdDSA, 151},
		"rsa_pss_2048_sha256_mgf1_32_test.json":  {PS256, 108},
		"rsa_signature_2048_sha256_test.json":    {RS256, 259},
	} {
		held := 0
		for _, g := range readWycheproof(t, name, c.atLeast).TestGroups {
			jwk := g.PublicKeyJWK
			switch {
			case jwk != nil:
			case g.KeyJWK != nil:
				jwk = g.KeyJWK
			default: // some groups have the bare point
				jwk = pointJWK(t, c.alg, g.PublicKey.Uncompressed)
			}
			s, err := ParseSet(fmt.Appendf(nil, `{"keys":[%s]}`, jwk), []Algorithm{c.alg})
			for _, test := range g.Tests {
				msg, err1 := hex.DecodeString(test.Msg)
				sig, err2 := hex.DecodeString(test.Sig)
				if err1 != nil || err2 != nil {
					t.Fatal(err1, err2)
				}
				holds := err == nil && s.Keys()[0].verify(c.alg, msg, sig)
				if holds {
					held++
				}
				switch valid := test.Result == "valid"; {
				case holds == valid, test.Result == "acceptable":
				case valid && strings.Contains(string(jwk), `"e": "Aw"`): // exponents below 65537 are refused
				default:
					t.Errorf("%s %d (%s): %s, and here %v; key: %v", name, test.ID, test.Comment, test.Result, holds, err)
				}
			}
		}
		if held < 7 {
			t.Errorf("%s: only %d signatures hold", name, held)
		}
	}
}

// pointJWK is a JWK of an uncompressed point in hex.
func pointJWK(t *testing.T, alg Algorithm, uncompressed string) []byte {
	t.Helper()
	point, err := hex.DecodeString(uncompressed)
	if err != nil || len(point) < 3 || point[0] != 4 {
		t.Fatalf("no point: %v", err)
	}
	size := len(point) / 2
	curve := map[Algorithm]string{ES256: "P-256", ES384: "P-384", ES512: "P-521"}[alg]
	return fmt.Appendf(nil, `{"kty":"EC","crv":%q,"x":%q,"y":%q}`, curve, b64(point[1:1+size]), b64(point[1+size:]))
}
