package keyset

import (
	"maps"
	"strings"
	"testing"
	"time"
)

// logoutPolicy is that of a receiver for one client of one issuer.
func logoutPolicy(client, issuer string) *Policy {
	return &Policy{
		Logout: true, AudienceArray: true, SessionClaims: []string{"sid"}, Algorithms: Algorithms(), Leeway: 5 * time.Second,
		Admitted: []Audience{{ClassNormal, client, []string{issuer}}},
	}
}

// logoutFixture is an entry of oauth/logout-tokens.json.
type logoutFixture struct {
	Name, Expect, Why, Token string
	At                       int64
	Ends                     struct{ Sub, Sid string }
}

func TestLogoutTokensGetTheirVerdicts(t *testing.T) {
	var config struct {
		Client struct {
			ID string `json:"client_id"`
		}
		Policies map[string]struct{ Issuers []string }
	}
	read(t, "oauth/config.json", &config)
	var tokens []logoutFixture
	read(t, "oauth/logout-tokens.json", &tokens)
	if len(tokens) < 27 || config.Client.ID == "" {
		t.Fatalf("%d tokens, client %q", len(tokens), config.Client.ID)
	}
	p := logoutPolicy(config.Client.ID, config.Policies["default"].Issuers[0])
	s := fixtureSet(t, "oauth/jwks.json", EdDSA)
	for _, f := range tokens {
		t.Run(f.Name, func(t *testing.T) {
			c, outcome := Verify(p, s, []byte(f.Token), time.Unix(f.At, 0), nil)
			switch {
			case f.Expect == "reject" && outcome == accepted:
				t.Fatalf("accepted, and it is %s", f.Why)
			case f.Expect == "reject":
			case outcome != accepted: // also tokens that may be taken or refused: a repeated token is a retry
				t.Fatalf("%v, and it is %s", outcome, f.Why)
			case c.Session != f.Ends.Sid, c.Subject != f.Ends.Sub:
				t.Errorf("ends session %q of %q, want %+v", c.Session, c.Subject, f.Ends)
			case c.IssuedAt.IsZero(), c.Expires.IsZero():
				t.Errorf("%+v", c)
			}
		})
	}
}

const testLogoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// ending is the payload of a logout token.
func ending(change map[string]any) string {
	all := map[string]any{
		"sid": "session", "jti": "one", "iat": testNow.Unix(), "exp": testNow.Add(2 * time.Minute).Unix(),
		"events": map[string]any{testLogoutEvent: map[string]any{}},
	}
	maps.Copy(all, change)
	return testPayload(all)
}

// TestALogoutTokenSaysWhatItHasTo makes each member wrong in turn.
func TestALogoutTokenSaysWhatItHasTo(t *testing.T) {
	m := minters()[ES256]
	s := mustSet(t, setBody(m.jwk(nil)))
	p := testPolicy()
	p.Logout, p.AudienceArray, p.SessionClaims = true, true, []string{"sid"}
	const head = `{"typ":"logout+jwt","alg":"ES256","kid":"kid-ES256"}`
	for _, typ := range []string{`"logout+jwt"`, `"Logout+JWT"`, `"application/logout+jwt"`, `"JWT"`, `"jwt"`} {
		expect(t, p, s, m.mint(strings.Replace(head, `"logout+jwt"`, typ, 1), ending(nil)), accepted)
	}
	expect(t, p, s, m.mint(m.header(), ending(nil)), accepted)
	for _, typ := range []string{`"at+jwt"`, `"secevent+jwt"`, `""`, `1`, `null`, `"logout"`} {
		expect(t, p, s, m.mint(strings.Replace(head, `"logout+jwt"`, typ, 1), ending(nil)), wrongType)
	}
	long := strings.Repeat("x", MaxEnded)
	for _, c := range []struct {
		change           map[string]any
		session, subject string
	}{
		{nil, "session", "user"},
		{map[string]any{"sid": nil}, "", "user"},
		{map[string]any{"sub": nil}, "session", ""},
		{map[string]any{"typ": "Logout"}, "session", "user"}, // Keycloak
		{map[string]any{"nbf": testNow.Unix(), "role": 1, "scope": true}, "session", "user"},
		{map[string]any{"events": map[string]any{testLogoutEvent: map[string]any{"x": 1}, "other": 1}}, "session", "user"},
		{map[string]any{"sid": long[1:]}, long[1:], "user"},
		{map[string]any{"sid": long, "sub": long}, long, long},
	} {
		got := expect(t, p, s, m.mint(head, ending(c.change)), accepted)
		if got.Subject != c.subject || got.Session != c.session {
			t.Errorf("%v: session %q of %q", c.change, got.Session, got.Subject)
		}
	}
	for _, change := range []map[string]any{
		{"events": nil}, {"events": raw("null")}, {"events": "x"}, {"events": map[string]any{}}, {"events": []string{testLogoutEvent}},
		{"events": map[string]any{testLogoutEvent: raw("null")}}, {"events": map[string]any{testLogoutEvent: true}},
		{"events": map[string]any{strings.ToUpper(testLogoutEvent): map[string]any{}}},
		{"nonce": "n"}, {"nonce": ""}, {"nonce": raw("null")}, {"at_hash": "x"}, {"typ": "ID"}, {"token_use": "id"},
	} {
		expect(t, p, s, m.mint(head, ending(change)), wrongType)
	}
	for _, change := range []map[string]any{
		{"sub": nil, "sid": nil}, {"sid": 1}, {"sid": raw("null")}, {"sid": ""}, {"sid": []string{"s"}}, {"sub": 1}, {"sub": ""}, {"sub": raw("null")},
		{"jti": nil}, {"jti": 1}, {"jti": ""}, {"iat": nil}, {"iat": "x"}, {"exp": nil}, {"exp": "x"},
		{"sid": long + "x"}, {"sub": long + "x"},
	} {
		expect(t, p, s, m.mint(head, ending(change)), missingClaim)
	}
	expect(t, p, s, m.mint(head, ending(map[string]any{"aud": "another"})), wrongAudience)
	expect(t, p, s, m.mint(head, ending(map[string]any{"aud": nil})), wrongAudience)
	expect(t, p, s, m.mint(head, ending(map[string]any{"iss": "https://evil.example"})), wrongIssuer)
	expect(t, p, s, m.mint(head, ending(map[string]any{"exp": testNow.Unix()})), expired)
	expect(t, p, s, m.mint(head, ending(map[string]any{"exp": testNow.Unix() + 1})), accepted)
	leeway := int64(p.Leeway / time.Second)
	expect(t, p, s, m.mint(head, ending(map[string]any{"iat": testNow.Unix() + leeway})), accepted)
	expect(t, p, s, m.mint(head, ending(map[string]any{"iat": testNow.Unix() + leeway + 1})), notYetValid)
	expect(t, p, s, m.mint(head, ending(map[string]any{"sid": "a\n"})), malformed)
	expect(t, p, s, m.mint(head, `{"sid":"a","sid":"b"}`), malformed)
	expect(t, p, s, m.mint(head, `{"jti":"a","jti":"b"}`), malformed)
	expect(t, p, s, m.mint(head, `{"sub":"a","Sub":"b"}`), malformed)
}

// TestAnExplanationNamesALogoutToken: by its typ, or by its claims if it has
// none.
func TestAnExplanationNamesALogoutToken(t *testing.T) {
	m := minters()[ES256]
	s := mustSet(t, setBody(m.jwk(nil)))
	for header, want := range map[string]string{
		`{"typ":"logout+jwt","alg":"ES256","kid":"kid-ES256"}`: `"typ" names a logout token, which ends a session and lets nobody in: LOGOUT takes it`,
		`{"alg":"ES256","kid":"kid-ES256"}`:                    `"events" tells what has happened, as a logout token does, which ends a session and lets nobody in: LOGOUT takes it`,
	} {
		var x Trace
		if _, outcome := Verify(testPolicy(), s, []byte(m.mint(header, ending(nil))), testNow, &x); outcome != wrongType || x.Detail != want {
			t.Errorf("%v: %s", outcome, x.Detail)
		}
	}
}
