package keyset

import (
	"fmt"
	"strings"
	"testing"
)

// TestWhatNobodyReadsDoesNotMatter: claims and header members that are not read
// here may be of any kind, number and size that a token has room for.
func TestWhatNobodyReadsDoesNotMatter(t *testing.T) {
	p := testPolicy()
	p.AudienceArray, p.SessionClaims = true, []string{"sid"}
	var groups, audiences strings.Builder
	for i := range 450 {
		fmt.Fprintf(&groups, `"group-%04d",`, i)
	}
	for i := range 500 {
		fmt.Fprintf(&audiences, `"other-%d",`, i)
	}
	odd := []string{`1`, `null`, `true`, `[1,{"a":[]}]`, `{"id":"x"}`, `""`, `"\ud83d"`, `1e400`}
	var changes []map[string]any
	for _, name := range []string{"sid", "name", "email", "role", "is_anonymous", "jti", "azp", "branch_id", "amr"} {
		for _, value := range odd {
			if name == "sid" && value == odd[6] {
				continue // half a surrogate pair identifies nobody
			}
			changes = append(changes, map[string]any{name: raw("%s", value)})
		}
	}
	changes = append(changes,
		map[string]any{"groups": raw("[%s0]", groups.String())},                                    // over six kibibytes
		map[string]any{"aud": raw(`[%s"audience"]`, audiences.String())},                           // more than 64
		map[string]any{"Groups": 1, "groups": 2, "GROUPS": 3, "Amr": 1, "amr": 2},                  // in several cases
		map[string]any{"o": map[string]any{"sub": 1, "SUB": 2}, "x": raw(`{"email":1,"Email":2}`)}, // not of the token itself
	)
	for _, change := range changes {
		s, token := signed(t, testPayload(change))
		if len(token) > MaxToken {
			t.Fatalf("a token of %d bytes", len(token))
		}
		expect(t, p, s, string(token), accepted)
	}
	// The token's own bound is the only one.
	m := minters()[ES256]
	s := mustSet(t, setBody(m.jwk(nil)))
	pad := func(n int) string {
		return m.mint(m.header(), testPayload(map[string]any{"pad": strings.Repeat("x", n)}))
	}
	n := 0
	for len(pad(n+3)) <= MaxToken {
		n += 3
	}
	expect(t, p, s, pad(n), accepted)
	expect(t, p, s, pad(n+4), malformed)
}
