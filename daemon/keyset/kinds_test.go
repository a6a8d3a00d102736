package keyset

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// oauthPolicies are the policies of the OAuth fixtures, as the daemon derives
// them.
func oauthPolicies(t testing.TB) map[string]*Policy {
	t.Helper()
	var config struct {
		Policies map[string]struct {
			Kind, Audience, Role       string
			Issuers, Resources, Scopes []string
			UsersOnly                  bool `json:"users_only"`
		}
	}
	read(t, "oauth/config.json", &config)
	policies := map[string]*Policy{}
	for name, c := range config.Policies {
		p := &Policy{Algorithms: []Algorithm{EdDSA}, Role: c.Role, Leeway: 5 * time.Second, SessionClaims: []string{"sid"}}
		if c.Kind == "resource" {
			p.Resource, p.AudienceArray, p.Machines, p.Scopes = true, true, !c.UsersOnly, c.Scopes
		} else {
			p.KeyIDOptional, c.Resources = true, []string{c.Audience}
		}
		for _, resource := range c.Resources {
			p.Admitted = append(p.Admitted, Audience{ClassNormal, resource, c.Issuers})
		}
		policies[name] = p
	}
	return policies
}

// oauthToken is an entry of oauth/tokens.json.
type oauthToken struct {
	fixtureToken
	Jose     string // what the library jose says
	expected map[string]string
}

func (f *oauthToken) UnmarshalJSON(text []byte) error {
	members := map[string]json.RawMessage{}
	if err := json.Unmarshal(text, &members); err != nil {
		return err
	}
	f.expected = map[string]string{}
	for name, value := range members {
		if policy, ok := strings.CutPrefix(name, "expect_"); ok {
			f.expected[policy] = strings.Trim(string(value), `"`)
		}
	}
	f.Jose = strings.Trim(string(members["jose"]), `"`)
	return json.Unmarshal(text, &f.fixtureToken)
}

func oauthTokens(t testing.TB) []oauthToken {
	t.Helper()
	var tokens []oauthToken
	read(t, "oauth/tokens.json", &tokens)
	if len(tokens) < 96 {
		t.Fatalf("%d tokens, expected at least 96", len(tokens))
	}
	return tokens
}

func TestOAuthTokensGetTheirVerdicts(t *testing.T) {
	policies := oauthPolicies(t)
	if len(policies) != 6 {
		t.Fatalf("%d policies", len(policies))
	}
	s := fixtureSet(t, "oauth/jwks.json", EdDSA)
	for _, token := range oauthTokens(t) {
		for _, policy := range slices.Sorted(maps.Keys(policies)) {
			f, upstream := token.fixtureToken, "oauth"
			if policy != "default" { // the reason is told of the default policy only
				f.Reason, upstream = "", "oauth under "+policy
			}
			if other, ok := token.expected[policy]; ok {
				f.Expect = other
			}
			t.Run(policy+"/"+f.Name, func(t *testing.T) { checkFixture(t, upstream, policy, policies[policy], s, &f) })
		}
	}
}

// kindOf is the kind of token that a token of the fixtures says it is. It uses nothing of
// the code under test.
func kindOf(token string) string {
	var h struct{ Typ any }
	var c struct {
		Client any `json:"client_id"`
		AZP    any
		AtHash any `json:"at_hash"`
		Events any
	}
	for i, segment := range strings.Split(token, ".") {
		text, err := base64.RawURLEncoding.DecodeString(segment)
		if err == nil && i == 0 {
			_ = json.Unmarshal(text, &h)
		}
		if err == nil && i == 1 {
			_ = json.Unmarshal(text, &c)
		}
	}
	typ, _ := h.Typ.(string)
	typ = strings.TrimPrefix(strings.ToLower(typ), "application/")
	switch {
	case c.Events != nil && (typ == "logout+jwt" || typ == "jwt" || typ == ""):
		return "logout"
	case typ == "at+jwt" && (c.Client != nil || c.AZP != nil):
		return "resource"
	case typ != "" && typ != "jwt", c.AtHash != nil, c.Events != nil:
		return "other"
	default:
		return "session"
	}
}

// TestNoTokenPassesForOneOfAnotherKind tries every policy on every token of the fixtures,
// of any kind. Some policies name a resource like the audience of another kind.
func TestNoTokenPassesForOneOfAnotherKind(t *testing.T) {
	policies := oauthPolicies(t)
	wide := policies["wide"]
	everything := &Policy{Algorithms: Algorithms(), Admitted: wide.Admitted, KeyIDOptional: true, AudienceArray: true, Leeway: 5 * time.Second}
	resources := *everything
	resources.Resource, resources.Machines = true, true
	endings := *everything
	endings.Logout, endings.SessionClaims = true, []string{"sid"}
	policies["session of any audience"], policies["resource of any audience"], policies["logout of any audience"] = everything, &resources, &endings
	accepts := map[string]int{}
	for _, set := range []string{"oauth/jwks.json", "neon/jwks.json", "stack/jwks.json"} {
		s := fixtureSet(t, set, Algorithms()...)
		for name, p := range policies {
			for _, token := range allTokens(t) {
				claims, outcome := Verify(p, s, []byte(token), time.Unix(1780272030, 0), nil) // the logout tokens are valid at that time too
				if outcome != accepted {
					continue
				}
				want := "session"
				switch {
				case p.Resource:
					want = "resource"
				case p.Logout:
					want = "logout"
				}
				if kind := kindOf(token); kind != want {
					t.Errorf("%s: a token of kind %s passes for %s: %s", name, kind, want, claims.JSON)
				}
				accepts[want]++
			}
		}
	}
	if accepts["session"] < 3 || accepts["resource"] < 50 || accepts["logout"] < 10 {
		t.Errorf("accepted %v: has nothing been compared?", accepts)
	}
}

// allTokens are the texts of every member "token" of the fixtures.
func allTokens(t testing.TB) (tokens []string) {
	t.Helper()
	for _, file := range []string{"oauth/tokens.json", "oauth/logout-tokens.json", "oauth/introspection.json", "neon/tokens.json",
		"neon/get-session.json", "stack/tokens.json", "stack/tokens-clock.json"} {
		var any any
		read(t, file, &any)
		before := len(tokens)
		tokens = appendTokens(tokens, any)
		if len(tokens) == before && file != "neon/get-session.json" {
			t.Fatalf("no tokens in %s", file)
		}
	}
	return tokens
}

func appendTokens(tokens []string, value any) []string {
	switch v := value.(type) {
	case []any:
		for _, each := range v {
			tokens = appendTokens(tokens, each)
		}
	case map[string]any:
		for name, each := range v {
			if text, ok := each.(string); ok && name == "token" {
				tokens = append(tokens, text)
			} else {
				tokens = appendTokens(tokens, each)
			}
		}
	}
	return tokens
}

func TestAClaimTellsTokensThatGrantNoAccess(t *testing.T) {
	for _, change := range []map[string]any{
		{"at_hash": "x"}, {"c_hash": "x"}, {"typ": "ID"}, {"typ": "Refresh"}, {"typ": "Offline"}, {"typ": "Logout"}, {"token_use": "id"},
		{"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}},
	} {
		s, token := signed(t, testPayload(change))
		expect(t, testPolicy(), s, string(token), wrongType)
	}
	for _, change := range []map[string]any{{"typ": "Bearer"}, {"token_use": "access"}, {"nonce": "x"}, {"events": "x"}, {"at_hash": raw("null")}} {
		s, token := signed(t, testPayload(change))
		expect(t, testPolicy(), s, string(token), accepted)
	}
}

// resourcePolicy takes tokens for a resource from one issuer.
func resourcePolicy() *Policy {
	p := testPolicy()
	p.Resource, p.AudienceArray = true, true
	return p
}

func TestAResourceTokenSaysWhoseItIs(t *testing.T) {
	m := minters()[ES256]
	s := mustSet(t, setBody(m.jwk(nil)))
	grant := func(change map[string]any) string {
		all := map[string]any{"client_id": "client", "azp": "client", "iat": testNow.Unix(), "scope": "read write"}
		maps.Copy(all, change)
		return m.mint(`{"typ":"at+jwt","alg":"ES256","kid":"kid-ES256"}`, testPayload(all))
	}
	machines, scoped := resourcePolicy(), resourcePolicy()
	machines.Machines = true
	scoped.Scopes = []string{"write", "read"}
	c := expect(t, resourcePolicy(), s, grant(nil), accepted)
	if c.Client != "client" || c.Scope != "read write" || c.Class != ClassNormal {
		t.Errorf("%+v", c)
	}
	if c = expect(t, machines, s, grant(map[string]any{"sub": "client"}), accepted); c.Class != ClassMachine {
		t.Errorf("a machine is of class %s", c.Class)
	}
	expect(t, resourcePolicy(), s, grant(map[string]any{"sub": "client"}), classNotAllowed)
	expect(t, resourcePolicy(), s, grant(map[string]any{"azp": nil}), accepted)
	expect(t, resourcePolicy(), s, grant(map[string]any{"client_id": nil}), accepted)
	expect(t, resourcePolicy(), s, grant(map[string]any{"scope": nil}), accepted)
	expect(t, scoped, s, grant(nil), accepted)
	for _, scope := range []string{"read", "", "read,write", "READ write", "read\twrite", "reader writer", "readwrite"} {
		expect(t, scoped, s, grant(map[string]any{"scope": scope}), insufficientScope)
	}
	expect(t, scoped, s, grant(map[string]any{"scope": "x", "exp": testNow.Unix()}), expired)
	for _, change := range []map[string]any{{"azp": nil, "client_id": nil}, {"azp": "other"}, {"client_id": ""}, {"client_id": 1}, {"iat": nil}, {"scope": []string{"read"}}} {
		expect(t, resourcePolicy(), s, grant(change), missingClaim)
	}
	for _, p := range []*Policy{resourcePolicy(), machines, scoped} {
		expect(t, p, s, m.mint(m.header(), testPayload(map[string]any{"client_id": "client", "iat": testNow.Unix(), "scope": "read write"})), wrongType)
	}
	if bytes.Contains(c.JSON, []byte("\n")) {
		t.Error("more than a line")
	}
}
