package keyset

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/protocol"
)

// clientPolicy takes tokens without "aud", for the client that the claim names.
func clientPolicy(claim string, clients ...string) *Policy {
	p := testPolicy()
	p.AudienceClaim, p.AudienceArray, p.AccessTokenType = claim, true, true
	p.Admitted = nil
	for _, client := range clients {
		p.Admitted = append(p.Admitted, Audience{ClassNormal, client, []string{testIssuer}})
	}
	return p
}

func TestAnotherClaimStandsInForAnAbsentAudience(t *testing.T) {
	withoutAud := func(change map[string]any) map[string]any {
		all := map[string]any{"aud": nil}
		maps.Copy(all, change)
		return all
	}
	for _, c := range []struct {
		name, claim string
		change      map[string]any
		want        protocol.Outcome
	}{
		{"Cognito", "client_id", withoutAud(map[string]any{"client_id": "app", "token_use": "access", "scope": "openid"}), accepted},
		{"another app of the pool", "client_id", withoutAud(map[string]any{"client_id": "other", "token_use": "access"}), wrongAudience},
		{"the second app", "client_id", withoutAud(map[string]any{"client_id": "app2"}), accepted},
		{"Clerk", "azp", withoutAud(map[string]any{"azp": "app", "sts": "active", "v": 2, "fva": []int{7, -1}}), accepted},
		{"Clerk without Origin", "azp", withoutAud(nil), wrongAudience},
		{"another site of the instance", "azp", withoutAud(map[string]any{"azp": "https://other.example"}), wrongAudience},
		{"in the other claim", "azp", withoutAud(map[string]any{"client_id": "app"}), wrongAudience},
		{"in the other claim", "client_id", withoutAud(map[string]any{"azp": "app"}), wrongAudience},
		{"in both", "client_id", withoutAud(map[string]any{"azp": "app", "client_id": "app"}), accepted},
		{"contradictory", "client_id", withoutAud(map[string]any{"azp": "other", "client_id": "app"}), missingClaim},
		{"contradictory", "azp", withoutAud(map[string]any{"azp": "app", "client_id": "other"}), missingClaim},
		{"in capitals", "client_id", withoutAud(map[string]any{"client_id": "APP"}), wrongAudience},
		{"with a blank", "client_id", withoutAud(map[string]any{"client_id": "app "}), wrongAudience},
		{"several in one", "client_id", withoutAud(map[string]any{"client_id": "app app2"}), wrongAudience},
		{"an array", "client_id", withoutAud(map[string]any{"client_id": []string{"app"}}), missingClaim},
		{"a number", "client_id", withoutAud(map[string]any{"client_id": 1}), missingClaim},
		{"null", "client_id", withoutAud(map[string]any{"client_id": raw("null")}), missingClaim},
		{"empty", "client_id", withoutAud(map[string]any{"client_id": ""}), missingClaim},
		{"a line break", "client_id", withoutAud(map[string]any{"client_id": "a\npp"}), malformed},

		{"with an audience", "client_id", map[string]any{"aud": "https://api.example", "client_id": "app"}, wrongAudience},
		{"with the client as audience", "client_id", map[string]any{"aud": "app", "client_id": "app"}, wrongAudience},
		{"with an audience of null", "client_id", map[string]any{"aud": raw("null"), "client_id": "app"}, wrongAudience},
		{"with no audience in an array", "client_id", map[string]any{"aud": []string{}, "client_id": "app"}, wrongAudience},
		{"with an audience that is a number", "client_id", map[string]any{"aud": 1, "client_id": "app"}, wrongAudience},
		{"the client as audience alone", "client_id", map[string]any{"aud": "app"}, wrongAudience},
		{"an ID token", "azp", map[string]any{"aud": "app", "azp": "app"}, wrongAudience},
		{"an ID token of Cognito", "client_id", map[string]any{"aud": "app", "token_use": "id", "at_hash": "x"}, wrongType},
		{"an ID token of Cognito, bent", "client_id", withoutAud(map[string]any{"client_id": "app", "token_use": "id"}), wrongType},
		{"another issuer", "client_id", withoutAud(map[string]any{"client_id": "app", "iss": "https://evil.example"}), wrongIssuer},
		{"bound to a key", "client_id", withoutAud(map[string]any{"client_id": "app", "cnf": map[string]string{"jkt": "x"}}), senderConstrained},
		{"over", "client_id", withoutAud(map[string]any{"client_id": "app", "exp": 1}), expired},
		{"a machine", "client_id", withoutAud(map[string]any{"client_id": "app", "sub": "app"}), classNotAllowed},
	} {
		t.Run(c.claim+"/"+c.name, func(t *testing.T) {
			s, token := signed(t, testPayload(c.change))
			claims := expect(t, clientPolicy(c.claim, "app", "app2"), s, string(token), c.want)
			if c.want == accepted && (claims.Client != claims.Audience || !strings.HasPrefix(claims.Client, "app") || claims.Class != ClassNormal) {
				t.Errorf("%+v", claims)
			}
		})
	}
	machines := clientPolicy("client_id", "app")
	machines.Machines = true
	s, token := signed(t, testPayload(withoutAud(map[string]any{"client_id": "app", "sub": "app"})))
	if claims := expect(t, machines, s, string(token), accepted); claims.Class != ClassMachine {
		t.Errorf("a machine is of class %s", claims.Class)
	}
	// Where "aud" counts, these claims may be of any form.
	for _, odd := range []string{`1`, `["x"]`, `null`, `""`, `"other"`} {
		s, token := signed(t, testPayload(map[string]any{"client_id": json.RawMessage(odd), "azp": json.RawMessage(odd)}))
		expect(t, testPolicy(), s, string(token), accepted)
	}
}

// TestNoTokenOfTheFixturesPassesForItsClient: all tokens that the upstreams sign have an
// "aud". A project that takes tokens without "aud" takes none of them, for any client.
func TestNoTokenOfTheFixturesPassesForItsClient(t *testing.T) {
	policies := oauthPolicies(t)
	admitted := policies["wide"].Admitted
	type client struct {
		ID string `json:"client_id"`
	}
	var config struct {
		Client       client
		PublicClient client `json:"public_client"`
	}
	read(t, "oauth/config.json", &config)
	for _, id := range []string{config.Client.ID, config.PublicClient.ID, "https://client.example/metadata.json"} {
		admitted = append(admitted, Audience{ClassNormal, id, admitted[0].Issuers})
	}
	s := fixtureSet(t, "oauth/jwks.json", Algorithms()...)
	compared := map[string]int{}
	for _, claim := range []string{"client_id", "azp"} {
		p := &Policy{Algorithms: Algorithms(), Admitted: admitted, AudienceClaim: claim, Machines: true, KeyIDOptional: true, AudienceArray: true, AccessTokenType: true, Leeway: 5 * time.Second}
		for _, f := range oauthTokens(t) {
			claims, outcome := Verify(p, s, []byte(f.Token), fixtureNow, nil)
			compared[fmt.Sprint(outcome)]++
			// One token lacks the "aud" that RFC 9068 demands, and names the client.
			if outcome == accepted && f.Name != "aud-missing" {
				t.Errorf("%s passes by its %s: %s", f.Name, claim, claims.JSON)
			}
			if f.Name == "aud-missing" && outcome != accepted {
				t.Errorf("%s by its %s: %v", f.Name, claim, outcome)
			}
		}
	}
	if compared[fmt.Sprint(wrongAudience)] < 50 {
		t.Errorf("%v: were the tokens refused for something else?", compared)
	}
}

func TestATraceTellsWhichClaimWasLookedAt(t *testing.T) {
	for _, c := range []struct {
		change map[string]any
		detail string
		is     []string
	}{
		{map[string]any{"aud": nil}, `"client_id" is absent`, nil},
		{map[string]any{"aud": nil, "client_id": "other"}, "", []string{"other"}},
		{map[string]any{"aud": "elsewhere", "client_id": "app"}, `"aud" is there, and the project takes tokens without one only (audience_claim)`, []string{"app"}},
	} {
		var trace Trace
		s, token := signed(t, testPayload(c.change))
		if _, outcome := Verify(clientPolicy("client_id", "app"), s, token, testNow, &trace); outcome != wrongAudience {
			t.Errorf("%v: %v", c.change, outcome)
		}
		if trace.Detail != c.detail || fmt.Sprint(trace.Said.Audiences) != fmt.Sprint(c.is) || trace.Said.HasAud != (c.change["aud"] != nil) {
			t.Errorf("%v: %+v", c.change, trace)
		}
	}
}
