package keyset

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/protocol"
)

const fixtures = "../testdata/upstream"

// read decodes a fixture file.
func read(t testing.TB, path string, into any) {
	t.Helper()
	body, err := os.ReadFile(filepath.Join(fixtures, path))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(body, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// fixtureSet parses a key set file of the fixtures.
func fixtureSet(t testing.TB, path string, allowed ...Algorithm) *Set {
	t.Helper()
	body, err := os.ReadFile(filepath.Join(fixtures, path))
	if err != nil {
		t.Fatal(err)
	}
	return mustSet(t, body, allowed...)
}

// fixtureNow lies between the fixtures' valid_from and 2099.
var fixtureNow = time.Unix(1_800_000_000, 0)

// byClass holds one value for each class of Stack's users.
type byClass[T any] struct{ Normal, Restricted, Anonymous T }

// stackPolicies returns the three policies of the fixtures, as the daemon
// derives them: audiences that are not admitted are refused by name.
func stackPolicies(audiences byClass[string], issuers byClass[[]string]) map[string]*Policy {
	normal := Audience{ClassNormal, audiences.Normal, issuers.Normal}
	restricted := Audience{ClassRestricted, audiences.Restricted, issuers.Restricted}
	anonymous := Audience{ClassAnonymous, audiences.Anonymous, issuers.Anonymous}
	policy := func(admitted, refused []Audience) *Policy {
		return &Policy{
			Algorithms: []Algorithm{ES256}, Admitted: admitted, Refused: refused, StackFlags: true,
			SessionClaims: []string{"refresh_token_id", "refreshTokenId"}, Leeway: 5 * time.Second,
		}
	}
	return map[string]*Policy{
		"default":    policy([]Audience{normal}, []Audience{restricted, anonymous}),
		"restricted": policy([]Audience{normal, restricted}, []Audience{anonymous}),
		"anonymous":  policy([]Audience{normal, restricted, anonymous}, nil),
	}
}

// stackConfig reads the policies of the Stack fixtures.
func stackConfig(t testing.TB) map[string]*Policy {
	t.Helper()
	var config struct {
		Audiences byClass[string]
		Issuers   byClass[[]string]
	}
	read(t, "stack/config.json", &config)
	return stackPolicies(config.Audiences, config.Issuers)
}

// neonConfig reads the policy of the Neon fixtures.
func neonConfig(t testing.TB) *Policy {
	t.Helper()
	var config struct {
		Audience     string
		Issuers      []string
		RequiredRole string `json:"required_role"`
	}
	read(t, "neon/config.json", &config)
	return &Policy{
		Algorithms: []Algorithm{EdDSA}, Role: config.RequiredRole, KeyIDOptional: true, Leeway: 5 * time.Second,
		Admitted: []Audience{{ClassNormal, config.Audience, config.Issuers}},
	}
}

// fixtureToken is an entry of tokens.json.
type fixtureToken struct {
	Name, Token, Expect, Reason, Sub string
	ExpectRestricted                 string `json:"expect_restricted"`
	ExpectAnonymous                  string `json:"expect_anonymous"`
	Claims                           map[string]any
}

// under returns what is expected under a policy of stackPolicies.
func (f *fixtureToken) under(policy string) string {
	switch {
	case policy == "restricted" && f.ExpectRestricted != "":
		return f.ExpectRestricted
	case policy == "anonymous" && f.ExpectAnonymous != "":
		return f.ExpectAnonymous
	}
	return f.Expect
}

// otherDefect lists tokens with two defects that Verify refuses for another
// reason than the one the fixtures put first.
func otherDefect() map[string]protocol.Outcome {
	return map[string]protocol.Outcome{
		"stack/sig-empty":      malformed, // an empty segment
		"neon/sig-empty":       malformed,
		"stack/alg-none-empty": malformed,
		"neon/alg-none-empty":  malformed,

		"stack/header-typ-logout": wrongType, // the files of stack know no such reason
		"oauth/sig-empty":         malformed,
		"oauth/alg-none":          malformed, // an empty segment
		"oauth/aud-name-case":     malformed, // two names that differ only in case
		"oauth/session-jwt-cnf":   wrongType,
		"oauth/session-jwt-as-at": missingClaim, // no client, and no resource in aud
		"oauth/client-differs":    missingClaim, // a claim of the wrong kind counts as missing
		"oauth/sub-number":        missingClaim,
		"oauth/scope-array":       missingClaim,
		"oauth/scope-true":        missingClaim,
		"oauth/exp-string":        missingClaim,
	}
}

// fixtureReason is the rejection for the reason with the word.
func fixtureReason(t testing.TB, word string) protocol.Outcome {
	t.Helper()
	if slices.Contains(protocol.Reasons(), protocol.Reason(word)) {
		return protocol.Rejected(protocol.Reason(word))
	}
	t.Fatalf("the fixtures give an unknown reason %q", word)
	return unverifiable
}

// checkFixture verifies one token twice and compares.
func checkFixture(t *testing.T, upstream, policy string, p *Policy, s *Set, f *fixtureToken) {
	t.Helper()
	c, reason := Verify(p, s, []byte(f.Token), fixtureNow, nil)
	checkClaims(t, c, reason)
	if again, reasonAgain := Verify(p, s, []byte(f.Token), fixtureNow, nil); reasonAgain != reason || !reflect.DeepEqual(again, c) {
		t.Errorf("the second verdict differs: %v, then %v", reason, reasonAgain)
	}
	expected := f.under(policy)
	if (expected == "accept" && reason != accepted) || (expected == "reject" && reason == accepted) {
		t.Fatalf("got %v, expected %s", reason, expected)
	}
	if reason == unverifiable {
		t.Fatal("could not be judged")
	}
	if reason != accepted {
		want, exception := otherDefect()[upstream+"/"+f.Name]
		if !exception && expected == "reject" && f.Reason != "" {
			want = fixtureReason(t, f.Reason)
		}
		if want != (protocol.Outcome{}) && reason != want {
			t.Errorf("reason %v, expected %v", reason, want)
		}
		return
	}
	if f.Sub != "" && c.Subject != f.Sub {
		t.Errorf("accepted for another subject")
	}
	var said map[string]any
	if err := json.Unmarshal(c.JSON, &said); err != nil {
		t.Fatal("the JSON of the claims cannot be read")
	}
	if f.Claims != nil && !reflect.DeepEqual(said, f.Claims) {
		t.Errorf("the JSON of the claims differs from the fixture's claims")
	}
}

func TestUpstreamTokensGetTheirVerdicts(t *testing.T) {
	neon := map[string]*Policy{"default": neonConfig(t)}
	for _, source := range []struct {
		upstream string
		keys     string
		policies map[string]*Policy
		atLeast  int
	}{
		{"stack", "stack/jwks.json", stackConfig(t), 114},
		{"stack", "stack/jwks-no-alg.json", stackConfig(t), 114},
		{"stack", "stack/jwks-odd-keys.json", stackConfig(t), 114},
		{"neon", "neon/jwks.json", neon, 54},
		{"neon", "neon/jwks-no-alg.json", neon, 54},
	} {
		var tokens []fixtureToken
		read(t, source.upstream+"/tokens.json", &tokens)
		if len(tokens) < source.atLeast {
			t.Fatalf("%d tokens, expected at least %d", len(tokens), source.atLeast)
		}
		for _, policy := range slices.Sorted(maps.Keys(source.policies)) {
			p := source.policies[policy]
			s := fixtureSet(t, source.keys, p.Algorithms...)
			for i := range tokens {
				t.Run(source.keys+"/"+policy+"/"+tokens[i].Name, func(t *testing.T) {
					checkFixture(t, source.upstream, policy, p, s, &tokens[i])
				})
			}
		}
	}
}

func TestClockDecidesToTheSecond(t *testing.T) {
	var tokens []struct {
		Name, Token, Expect string
		At, Leeway          int64
	}
	read(t, "stack/tokens-clock.json", &tokens)
	if len(tokens) == 0 {
		t.Fatal("no tokens")
	}
	s := fixtureSet(t, "stack/jwks.json", ES256)
	for _, f := range tokens {
		t.Run(f.Name, func(t *testing.T) {
			p := stackConfig(t)["default"]
			p.Leeway = time.Duration(f.Leeway) * time.Second
			_, reason := Verify(p, s, []byte(f.Token), time.Unix(f.At, 0), nil)
			want := f.Expect
			if stricter := []string{"at-expiry-30", "after-expiry-30"}; slices.Contains(stricter, f.Name) {
				want = "reject" // a verifier may stretch exp by its leeway; this one does not
			}
			if accepted := reason == accepted; want != "either" && accepted != (want == "accept") {
				t.Errorf("got %v, expected %s", reason, want)
			}
		})
	}
}

func TestKeysWithShortCoordinatesVerify(t *testing.T) {
	var projects []struct {
		Name      string
		Issuers   byClass[[]string]
		Audiences byClass[string]
		JWKS      json.RawMessage
		Tokens    []fixtureToken
		Short     struct {
			Kid, Member string
			Bytes       int
		}
	}
	read(t, "stack/short-coordinates.json", &projects)
	if len(projects) == 0 {
		t.Fatal("no projects")
	}
	for _, project := range projects {
		policies := stackPolicies(project.Audiences, project.Issuers)
		s := mustSet(t, project.JWKS, ES256)
		if len(s.Skipped()) != 0 || s.Find(project.Short.Kid) == nil {
			t.Errorf("%s: the short key was not loaded: %v", project.Name, s.Skipped())
		}
		if len(project.Tokens) == 0 {
			t.Errorf("%s: no tokens", project.Name)
		}
		for policy, p := range policies {
			for i := range project.Tokens {
				t.Run(project.Name+"/"+policy+"/"+project.Tokens[i].Name, func(t *testing.T) {
					checkFixture(t, "stack", policy, p, s, &project.Tokens[i])
				})
			}
		}
	}
}

func TestRotationMakesOldTokensUnknown(t *testing.T) {
	type stage struct {
		JWKS  json.RawMessage
		Token string
	}
	for upstream, p := range map[string]*Policy{"stack": stackConfig(t)["default"], "neon": neonConfig(t)} {
		var stages map[string]stage
		read(t, upstream+"/rotation.json", &stages)
		if len(stages) < 2 {
			t.Fatalf("%s: %d stages", upstream, len(stages))
		}
		for at, now := range stages {
			s := mustSet(t, now.JWKS, p.Algorithms...)
			for minted, other := range stages {
				kid, doubtful := p.Doubt(s, []byte(other.Token), unknownKey)
				want := unknownKey
				if s.Find(kid) != nil {
					want = accepted
				}
				if _, reason := Verify(p, s, []byte(other.Token), fixtureNow, nil); reason != want || !doubtful {
					t.Errorf("%s: token of %q under the keys of %q: %v, want %v", upstream, minted, at, reason, want)
				}
			}
			if _, reason := Verify(p, s, []byte(now.Token), fixtureNow, nil); reason != accepted {
				t.Errorf("%s: token of %q under its own keys: %v", upstream, at, reason)
			}
		}
	}
}
