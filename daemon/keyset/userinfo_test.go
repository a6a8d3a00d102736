package keyset

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/protocol"
)

// userinfo is a token of the client "app" and an answer about it, signed by the same key
// under the header, with claims replaced or, by nil, removed.
func userinfo(t *testing.T, header string, change map[string]any) (s *Set, answer, token string) {
	t.Helper()
	m := minters()[ES256]
	if header == "" {
		header = m.header()
	}
	claims := map[string]any{"iss": testIssuer, "aud": "app", "sub": "user", "name": "Ada", "email": "ada@example.org"}
	maps.Copy(claims, change)
	maps.DeleteFunc(claims, func(_ string, value any) bool { return value == nil })
	text, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	return mustSet(t, setBody(m.jwk(nil))), m.mint(header, string(text)), m.mint(m.header(), testPayload(map[string]any{"azp": "app"}))
}

func TestSignedUserinfoIsHeldAgainstTheToken(t *testing.T) {
	const kid = `"kid":"kid-ES256"`
	at := testNow.Unix()
	for name, c := range map[string]struct {
		header string
		change map[string]any
		want   protocol.Outcome
	}{
		"as asked for":             {"", nil, accepted},
		"without aud":              {"", map[string]any{"aud": nil}, accepted},
		"for several":              {"", map[string]any{"aud": []string{"other", "app"}}, accepted},
		"for an audience":          {"", map[string]any{"aud": testAudience}, accepted},
		"with times":               {"", map[string]any{"exp": at + 1, "iat": at, "nbf": at}, accepted},
		"with claims of any form":  {"", map[string]any{"role": 1, "scope": []int{1}, "is_anonymous": "x", "client_id": 7, "azp": nil, "sid": true, "cnf": nil}, accepted},
		"typ in other letters":     {`{"alg":"ES256","typ":"application/jwt",` + kid + `}`, nil, accepted},
		"without typ":              {`{"alg":"ES256",` + kid + `}`, nil, accepted},
		"another issuer":           {"", map[string]any{"iss": "https://evil.example"}, wrongIssuer},
		"no issuer":                {"", map[string]any{"iss": nil}, wrongIssuer},
		"for another client":       {"", map[string]any{"aud": "other"}, wrongAudience},
		"for nobody":               {"", map[string]any{"aud": []string{}}, wrongAudience},
		"aud of an odd form":       {"", map[string]any{"aud": []any{"app", 1}}, wrongAudience},
		"over":                     {"", map[string]any{"exp": at}, expired},
		"of the future":            {"", map[string]any{"iat": at + 6}, notYetValid},
		"not yet":                  {"", map[string]any{"nbf": at + 6}, notYetValid},
		"exp is a text":            {"", map[string]any{"exp": "soon"}, malformed},
		"an ID token":              {"", map[string]any{"at_hash": "x"}, wrongType},
		"an ID token of Keycloak":  {"", map[string]any{"typ": "ID"}, wrongType},
		"a logout token":           {"", map[string]any{"events": map[string]any{}}, wrongType},
		"typ of an access token":   {`{"alg":"ES256","typ":"at+jwt",` + kid + `}`, nil, wrongType},
		"typ of a logout token":    {`{"alg":"ES256","typ":"logout+jwt",` + kid + `}`, nil, wrongType},
		"unsigned":                 {`{"alg":"none"}`, nil, wrongAlgorithm},
		"with a shared secret":     {`{"alg":"HS256",` + kid + `}`, nil, wrongAlgorithm},
		"of another algorithm":     {`{"alg":"ES384",` + kid + `}`, nil, wrongAlgorithm},
		"without kid":              {`{"alg":"ES256"}`, nil, malformed},
		"of a key that nobody has": {`{"alg":"ES256","kid":"other"}`, nil, unknownKey},
		"critical":                 {`{"alg":"ES256","crit":["x"],` + kid + `}`, nil, malformed},
	} {
		t.Run(name, func(t *testing.T) {
			s, answer, token := userinfo(t, c.header, c.change)
			payload, outcome, detail := testPolicy().Userinfo(s, []byte(answer), []byte(token), testNow)
			if outcome != c.want || (payload != nil) != (c.want == accepted) {
				t.Errorf("got %v (%s), want %v", outcome, detail, c.want)
			}
			if c.want == accepted && !strings.Contains(string(payload), `"name":"Ada"`) {
				t.Errorf("%s", payload)
			}
			if theirs, err := secondOpinion([]byte(answer), s.Keys()[0]); c.want == accepted && (err != nil || string(theirs) != string(payload)) {
				t.Errorf("another library: %s, %v", theirs, err)
			}
		})
	}
}

func TestSignedUserinfoIsReadToItsLimit(t *testing.T) {
	s, answer, token := userinfo(t, "", nil)
	head, rest, _ := strings.Cut(answer, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	for name, text := range map[string]string{
		"empty": "", "one segment": head, "two segments": head + "." + payload, "unsigned": head + "." + payload + ".", "encrypted": answer + ".x.y",
		"padded": answer + "=", "a line break": answer + "\n", "another payload": head + "." + payload[1:] + "." + signature, "JSON": `{"sub":"user"}`,
	} {
		if payload, outcome, _ := testPolicy().Userinfo(s, []byte(text), []byte(token), testNow); outcome.Status() != protocol.NO || payload != nil {
			t.Errorf("%s: %v", name, outcome)
		}
	}
	for _, size := range []int{MaxUserinfo - 4, MaxUserinfo, MaxUserinfo + 4} {
		pad := size - len(answer)
		_, large, _ := userinfo(t, "", map[string]any{"picture": strings.Repeat("x", pad/4*3)})
		for len(large) < size { // as near as base64 allows
			pad += size - len(large)
			_, large, _ = userinfo(t, "", map[string]any{"picture": strings.Repeat("x", pad/4*3)})
		}
		if _, outcome, _ := testPolicy().Userinfo(s, []byte(large), []byte(token), testNow); (outcome == accepted) != (len(large) <= MaxUserinfo) {
			t.Errorf("%d bytes: %v", len(large), outcome)
		}
	}
	if _, outcome, _ := testPolicy().Userinfo(nil, []byte(answer), []byte(token), testNow); outcome.Status() != protocol.ERR {
		t.Errorf("without keys: %v", outcome)
	}
}
