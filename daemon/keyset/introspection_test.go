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

// answerPolicy is that of what introspection says of tokens for testAudience.
func answerPolicy(change func(*Policy)) *Policy {
	p := testPolicy()
	p.Resource, p.AudienceArray, p.SessionClaims = true, true, []string{"sid"}
	if change != nil {
		change(p)
	}
	return p
}

// answerOf is an answer about a good token, with members replaced or, by nil, removed.
func answerOf(change map[string]any) []byte {
	all := map[string]any{"active": true, "token_type": "Bearer", "client_id": "app", "scope": "read", "sid": "s1", "iat": testNow.Unix()}
	maps.Copy(all, change)
	return []byte(testPayload(all))
}

var unusable = protocol.Outcome{}

// TestWhatAnAnswerComesTo is about an opaque token, and about a token with the claims of a good answer.
func TestWhatAnAnswerComesTo(t *testing.T) {
	type members = map[string]any
	no := protocol.Rejected
	byClient := func(p *Policy) {
		p.AudienceClaim, p.Admitted = "client_id", []Audience{{Name: "app", Class: ClassNormal, Issuers: p.Admitted[0].Issuers}}
	}
	for _, c := range []struct {
		name           string
		change         members
		policy         func(*Policy)
		opaque, signed protocol.Outcome
	}{
		{"a good one", nil, nil, accepted, accepted},
		{"nothing else said", members{"iss": nil, "aud": nil, "exp": nil, "iat": nil, "sid": nil, "scope": nil, "token_type": nil}, nil, wrongAudience, accepted},
		{"the same, where none is asked for", members{"iss": nil, "aud": nil, "exp": nil}, func(p *Policy) { p.AudienceOptional = true }, accepted, accepted},
		{"nulls", members{"aud": raw("null"), "cnf": raw("null"), "exp": raw("null"), "nbf": raw("null"), "token_type": raw("null")}, func(p *Policy) { p.AudienceOptional = true }, accepted, accepted},
		{"an empty list of audiences", members{"aud": []string{}}, func(p *Policy) { p.AudienceOptional = true }, accepted, accepted},
		{"one audience of several", members{"aud": []string{"https://other.example", testAudience}}, nil, accepted, accepted},
		{"another audience", members{"aud": "https://other.example"}, func(p *Policy) { p.AudienceOptional = true }, wrongAudience, wrongAudience},
		{"an audience in capitals", members{"aud": strings.ToUpper(testAudience)}, nil, wrongAudience, wrongAudience},
		{"an audience of another form", members{"aud": 7}, func(p *Policy) { p.AudienceOptional = true }, wrongAudience, wrongAudience},
		{"the client in its place", members{"aud": nil}, byClient, accepted, accepted},
		{"an audience though the client stands in", members{"aud": "app"}, byClient, accepted, accepted},
		{"another audience though the client stands in", members{"aud": "https://other.example"}, byClient, wrongAudience, wrongAudience},
		{"another issuer", members{"iss": "https://evil.example"}, nil, wrongIssuer, unusable},
		{"another user", members{"sub": "mallory"}, nil, accepted, unusable},
		{"another client", members{"client_id": "other"}, nil, accepted, unusable},
		{"another session", members{"sid": "s2"}, nil, accepted, unusable},
		{"two clients", members{"azp": "other"}, nil, unusable, unusable},
		{"nobody", members{"sub": nil, "client_id": nil}, nil, unusable, accepted},
		{"a machine", members{"sub": nil}, nil, no(protocol.ReasonClassNotAllowed), accepted},
		{"a machine that is admitted", members{"sub": nil}, func(p *Policy) { p.Machines = true }, accepted, accepted},
		{"a machine by its subject", members{"sub": "app"}, func(p *Policy) { p.Machines = true }, accepted, unusable},
		{"over", members{"exp": testNow.Unix()}, nil, expired, expired},
		{"about to be over", members{"exp": testNow.Unix() + 1}, nil, accepted, accepted},
		{"not yet", members{"nbf": testNow.Unix() + 6}, nil, no(protocol.ReasonNotYetValid), no(protocol.ReasonNotYetValid)},
		{"just now", members{"nbf": testNow.Unix() + 5}, nil, accepted, accepted},
		{"bound to a key", members{"cnf": map[string]string{"jkt": "x"}}, nil, senderConstrained, senderConstrained},
		{"DPoP", members{"token_type": "dpop"}, nil, senderConstrained, senderConstrained},
		{"bearer in lower case", members{"token_type": "bearer"}, nil, accepted, accepted},
		{"a refresh token", members{"token_type": "refresh_token"}, nil, wrongType, wrongType},
		{"a refresh token by its use", members{"token_use": "refresh_token"}, nil, wrongType, wrongType},
		{"an ID token", members{"at_hash": "x"}, nil, wrongType, wrongType},
		{"a type nobody knows", members{"token_type": "Quantum"}, nil, unusable, unusable},
		{"a type that is none", members{"token_type": 1}, nil, unusable, unusable},
		{"too little scope", nil, func(p *Policy) { p.Scopes = []string{"write"} }, no(protocol.ReasonInsufficientScope), no(protocol.ReasonInsufficientScope)},
		{"no scope", members{"scope": nil}, func(p *Policy) { p.Scopes = []string{"read"} }, no(protocol.ReasonInsufficientScope), accepted},
		{"a subject that is a number", members{"sub": 7}, nil, unusable, unusable},
		{"an end that is a text", members{"exp": "never"}, nil, unusable, unusable},
		{"a subject with a line break", members{"sub": "a\nb"}, nil, unusable, unusable},
		{"a scope that is a list", members{"scope": []string{"read"}}, nil, unusable, unusable},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := answerPolicy(c.policy)
			token, err := p.ReadIntrospection([]byte(testPayload(members{"client_id": "app", "scope": "read", "sid": "s1", "iat": testNow.Unix()})))
			if err != nil {
				t.Fatal(err)
			}
			opaque, signed := unusable, unusable
			var claims Claims
			if answer, err := p.ReadIntrospection(answerOf(c.change)); err == nil {
				claims, opaque = answer.Token(testNow)
				signed, _ = answer.Confirms(token, testNow)
			}
			if opaque != c.opaque || signed != c.signed {
				t.Errorf("opaque %v, want %v; signed %v, want %v", opaque, c.opaque, signed, c.signed)
			}
			if good := opaque == accepted; good != (claims.Subject != "") || good && !claims.Expires.After(testNow) {
				t.Errorf("%+v", claims)
			}
		})
	}
}

// TestAnOpaqueTokensClaims: they are what the answer says, and an end if it names none.
func TestAnOpaqueTokensClaims(t *testing.T) {
	p := answerPolicy(func(p *Policy) { p.Machines = true })
	of := func(change map[string]any) Claims {
		t.Helper()
		answer, err := p.ReadIntrospection(answerOf(change))
		if err != nil {
			t.Fatal(err)
		}
		claims, outcome := answer.Token(testNow)
		if outcome != accepted {
			t.Fatal(outcome)
		}
		return claims
	}
	if c := of(nil); c.Subject != "user" || c.Client != "app" || c.Session != "s1" || c.Scope != "read" || c.Class != ClassNormal || c.Issuer != testIssuer ||
		!c.IssuedAt.Equal(time.Unix(testNow.Unix(), 0)) || !c.Expires.Equal(time.Unix(testNow.Unix()+600, 0)) || c.JSON != nil || c.Key != nil {
		t.Errorf("%+v", c)
	}
	if c := of(map[string]any{"sub": nil, "sid": nil, "exp": nil}); c.Subject != "app" || c.Class != ClassMachine || !c.Expires.Equal(testNow.Add(24*time.Hour)) {
		t.Errorf("%+v", c)
	}
}

// FuzzReadIntrospection: whatever the answer says, no token is accepted without a subject and an end, and the error
// repeats nothing.
func FuzzReadIntrospection(f *testing.F) {
	var genuine struct{ Answers []struct{ Body string } }
	read(f, "oauth/introspection.json", &genuine)
	for _, a := range genuine.Answers {
		f.Add(a.Body)
	}
	f.Add(string(answerOf(nil)))
	f.Fuzz(func(t *testing.T, text string) {
		p := answerPolicy(func(p *Policy) { p.Machines, p.AudienceOptional = true, true })
		answer, err := p.ReadIntrospection([]byte(text))
		if err != nil {
			return
		}
		claims, outcome := answer.Token(testNow)
		if outcome == accepted && (claims.Subject == "" || !claims.Expires.After(testNow) || !json.Valid([]byte(text))) || outcome != accepted && fmt.Sprintf("%+v", claims) != fmt.Sprintf("%+v", Claims{}) {
			t.Errorf("%v: %+v", outcome, claims)
		}
		if outcome, other := answer.Confirms(answer, testNow); (outcome == unusable) != (other != "") || other != "" {
			t.Errorf("it does not confirm itself: %v, %s", outcome, other)
		}
	})
}
