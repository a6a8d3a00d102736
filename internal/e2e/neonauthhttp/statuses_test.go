package neonauthhttp_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/daemon/standin"
)

func TestEachFindingHasItsStatus(t *testing.T) {
	t.Parallel()
	w := newSystem(t, `allow = ["restricted", "anonymous"]`)
	restrictedUser := w.AddUser(standin.User{Name: "Rex", Email: "rex@example.org", Restricted: true})
	anonymousUser := w.AddUser(standin.User{Anonymous: true})
	of := func(u standin.User) string {
		return "Authorization: Bearer " + w.StackToken(standin.TokenSpec{Subject: u.ID})
	}
	bear := func(token string) string { return "Authorization: Bearer " + token }
	const team = "0c8a52d6-8d35-4f0a-9c39-6a4c1c7f2b60"
	for _, test := range []struct {
		name, path, line string
		status           int
		reason           string
		challenge        string
	}{
		{name: "verified", path: "/nginx", line: bear(w.token()), status: 204},
		{name: "verified for envoy", path: "/envoy/some/path?allow=anonymous", line: bear(w.token()) + "\n" + wishHeader + ": level=claims", status: 200},
		{name: "envoy without header", path: "/envoy", line: bear(w.token()), status: 500, reason: "misconfigured-location"},
		{name: "live", path: "/nginx?level=profile&max-age=0", line: bear(w.token()), status: 204},
		{name: "no token", path: "/nginx", status: 401, reason: "no-token", challenge: "Bearer"},
		{name: "other scheme", path: "/nginx", line: "Authorization: Basic Zm9v", status: 401, reason: "no-token", challenge: "Bearer"},
		{name: "expired", path: "/nginx", line: bear(w.token(expired)), status: 401, reason: "expired", challenge: `Bearer error="invalid_token", error_description="expired"`},
		{name: "forged", path: "/nginx", line: bear(w.token(forged)), status: 401, reason: "bad-signature", challenge: `Bearer error="invalid_token", error_description="bad-signature"`},
		{name: "no token at all", path: "/nginx", line: bear("a b c"), status: 401, reason: "malformed", challenge: `Bearer error="invalid_token", error_description="malformed"`},
		{name: "a field in place of a token", path: "/nginx", line: bear("project=main"), status: 401, reason: "malformed", challenge: `Bearer error="invalid_token", error_description="malformed"`},
		{name: "two tokens", path: "/nginx", line: bear(w.token()) + "\nX-Stack-Access-Token: " + w.token(claim("x", 1)), status: 400, reason: "two-tokens", challenge: `Bearer error="invalid_request", error_description="two-tokens"`},
		{name: "restricted", path: "/nginx", line: of(restrictedUser), status: 403, reason: "class-not-allowed", challenge: `Bearer error="insufficient_scope", error_description="class-not-allowed"`},
		{name: "restricted and allowed", path: "/nginx?allow=restricted", line: of(restrictedUser), status: 204},
		{name: "restricted by profile", path: "/nginx?level=profile", line: of(restrictedUser), status: 403, reason: "class-not-allowed", challenge: `Bearer error="insufficient_scope", error_description="class-not-allowed"`},
		{name: "anonymous", path: "/nginx?allow=restricted", line: of(anonymousUser), status: 403, reason: "class-not-allowed", challenge: `Bearer error="insufficient_scope", error_description="class-not-allowed"`},
		{name: "anonymous and allowed", path: "/nginx?allow=restricted&allow=anonymous", line: of(anonymousUser), status: 204},
		{name: "address verified", path: "/nginx?require=email-verified", line: bear(w.token()), status: 204},
		{name: "address not verified", path: "/nginx?require=email-verified", line: bear(w.token(claim("email_verified", false))), status: 403, reason: "email-not-verified", challenge: `Bearer error="insufficient_scope", error_description="email-not-verified"`},
		{name: "address verified, in a word", path: "/nginx?require=email-verified", line: bear(w.token(claim("email_verified", "true"))), status: 204},
		{name: "address verified, in a number", path: "/nginx?require=email-verified", line: bear(w.token(claim("email_verified", 1))), status: 403, reason: "email-not-verified", challenge: `Bearer error="insufficient_scope", error_description="email-not-verified"`},
		{name: "right team", path: "/nginx?require=team:" + team, line: bear(w.token()), status: 204},
		{name: "right team by profile", path: "/nginx?level=profile&require=team:" + team, line: bear(w.token()), status: 204},
		{name: "wrong team", path: "/nginx?require=team:other", line: bear(w.token()), status: 403, reason: "wrong-team", challenge: `Bearer error="insufficient_scope", error_description="wrong-team"`},
		{name: "unknown parameter", path: "/nginx?level=claims&requires=email-verified", line: bear(w.token()), status: 500, reason: "misconfigured-location"},
		{name: "unknown project", path: "/nginx?project=elsewhere", line: bear(w.token()), status: 503, reason: "unknown-project"},
		{name: "no such path", path: "/", line: bear(w.token()), status: 404, reason: "no-route"},
		{name: "health is elsewhere", path: "/healthz", line: bear(w.token()), status: 404, reason: "no-route"},
		{name: "below a path", path: "/nginx/x", line: bear(w.token()), status: 404, reason: "no-route"},
	} {
		g := w.ask(t, test.path, strings.Split(test.line, "\n")...)
		if test.line == "" {
			g = w.ask(t, test.path)
		}
		if g.StatusCode != test.status {
			t.Errorf("%s: status is %d, want %d: %s", test.name, g.StatusCode, test.status, g.body)
			continue
		}
		checkHeaders(t, test.name, &g, w.ada.ID)
		if test.status/100 != 2 && g.reason(t) != test.reason {
			t.Errorf("%s: reason is %s, want %s", test.name, g.reason(t), test.reason)
		}
		if c := g.Header.Get("WWW-Authenticate"); c != test.challenge {
			t.Errorf("%s: challenge is %s, want %s", test.name, c, test.challenge)
		}
	}
}

// checkHeaders checks the headers that every reply must have, and those that
// only a yes may have.
func checkHeaders(t *testing.T, name string, g *got, _ string) {
	t.Helper()
	for _, field := range fieldNames() {
		if _, there := g.Header[field]; there != (g.StatusCode/100 == 2) {
			t.Errorf("%s: %d and %s there: %t", name, g.StatusCode, field, there)
		}
	}
	if g.StatusCode/100 == 2 && (g.Header.Get("X-Auth-User-Id") == "" || g.body != "") {
		t.Errorf("%s: a yes without a user, or with a body", name)
	}
	if (g.StatusCode == http.StatusServiceUnavailable) != (g.Header.Get("Retry-After") != "") {
		t.Errorf("%s: %d with Retry-After %q", name, g.StatusCode, g.Header.Get("Retry-After"))
	}
	if cache := g.Header.Get("Cache-Control"); g.StatusCode/100 != 2 && cache != "no-store" {
		t.Errorf("%s: Cache-Control is %q", name, cache)
	}
	if vary := g.Header.Get("Vary"); vary != "Authorization, Cookie, X-Hexclave-Access-Token, X-Stack-Access-Token, X-Stack-Auth" {
		t.Errorf("%s: Vary is %q", name, vary)
	}
}
