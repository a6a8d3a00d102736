package neonauthhttp_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/daemon/standin"
)

const browser = "Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"

func TestNginxAnswersEveryKindOfVisitor(t *testing.T) {
	t.Parallel()
	w := newSystem(t)
	n := startNginx(t, w)
	good, bad := bearing(w.token()), bearing(w.token(expired))
	unverified := bearing(w.StackToken(standin.TokenSpec{Subject: w.AddUser(standin.User{Name: "Eve", Email: "eve@example.org"}).ID}))
	for _, test := range []struct {
		name, path string
		lines      []string
		status     int
		location   string
		challenge  bool
		body       string
	}{
		{name: "user", path: "/x?y=1", lines: []string{good}, status: 200},
		{name: "user in the browser", path: "/", lines: []string{good, browser}, status: 200},
		{name: "API without token", path: "/x", status: 401, challenge: true, body: `{"error":"unauthorized"}` + "\n"},
		{name: "API with an expired one", path: "/x", lines: []string{bad}, status: 401, challenge: true, body: `{"error":"unauthorized"}` + "\n"},
		{name: "two tokens", path: "/x", lines: []string{good, "X-Stack-Access-Token: " + w.token(claim("x", 1))}, status: 400, challenge: true, body: `{"error":"invalid request"}` + "\n"},
		{name: "a token that cannot be read", path: "/x", lines: []string{bearing("stackauth_%")}, status: 400, challenge: true, body: `{"error":"invalid request"}` + "\n"},
		{name: "browser without token", path: "/x?y=1&z=2", lines: []string{browser}, status: 302, location: "/login?return=%2Fx%3Fy%3D1%26z%3D2"},
		{name: "browser with an expired one", path: "/x", lines: []string{bad, browser}, status: 302, location: "/login?return=%2Fx"},
		{name: "no way to another site", path: "//evil.example/x", lines: []string{browser}, status: 400},
		{name: "nor with a backslash", path: `/\evil.example/x`, lines: []string{browser}, status: 400},
		{name: "open path", path: "/login", status: 200},
		{name: "open path with a query", path: "/login?return=/x", status: 200},
		{name: "beside the open path", path: "/login/", status: 401, challenge: true, body: `{"error":"unauthorized"}` + "\n"},
		{name: "more is asked", path: "/account/x", lines: []string{good}, status: 200},
		{name: "more than one has", path: "/account/x", lines: []string{unverified}, status: 403, body: `{"error":"forbidden"}` + "\n"},
		{name: "the question is no page", path: "/_neonauth", lines: []string{good}, status: 404},
		{name: "nor is the other one", path: "/_neonauth_account", lines: []string{good}, status: 404},
	} {
		before := w.app.count()
		g := n.get(t, test.path, test.lines...)
		if g.StatusCode != test.status {
			t.Errorf("%s: status is %d, want %d: %s", test.name, g.StatusCode, test.status, g.body)
			continue
		}
		where := g.Header.Get("Location")
		if _, after, found := strings.Cut(where, "site.example"); found {
			where = after // nginx makes the address absolute
		}
		if where != test.location {
			t.Errorf("%s: goes to %q, want %q", test.name, where, test.location)
		}
		if test.challenge && !strings.HasPrefix(g.Header.Get("WWW-Authenticate"), "Bearer") {
			t.Errorf("%s: WWW-Authenticate is %q", test.name, g.Header.Get("WWW-Authenticate"))
		}
		if test.body != "" && g.body != test.body {
			t.Errorf("%s: body is %q, want %q", test.name, g.body, test.body)
		}
		if reached := w.app.count() > before; reached != (test.status == 200) {
			t.Errorf("%s: application reached: %t", test.name, reached)
		}
	}
}

func TestNginxSaysUnavailableWhenItCouldNotBeTold(t *testing.T) {
	t.Parallel()
	w := newSystem(t)
	n := startNginx(t, w)
	good := bearing(w.token())
	if g := n.get(t, "/", good); g.StatusCode != http.StatusOK {
		t.Fatal(g.Status, g.body)
	}
	check := func(state, path string, status int) {
		t.Helper()
		before := w.app.count()
		api, page := n.get(t, path, good), n.get(t, path, good, browser)
		if api.StatusCode != status || page.StatusCode != status {
			t.Errorf("%s: %d for an API and %d for a browser, want %d", state, api.StatusCode, page.StatusCode, status)
		}
		if status == http.StatusServiceUnavailable && (api.body != `{"error":"try again"}`+"\n" || !strings.Contains(page.body, "<html>")) {
			t.Errorf("%s: bodies are %q and %q", state, api.body, page.body)
		}
		if w.app.count() != before {
			t.Errorf("%s: the application was reached", state)
		}
	}
	w.Stop()
	check("upstream down", "/account/", http.StatusServiceUnavailable)
	if g := n.get(t, "/account/", good); g.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	if g := n.get(t, "/", good); g.StatusCode != http.StatusOK {
		t.Error("claims need no upstream:", g.Status)
	}
	good = bearing(w.token(claim("x", 1))) // no program can have an answer about this token
	w.daemon.Kill(t)
	check("daemon down", "/", http.StatusServiceUnavailable)
	w.http.Stop(t)
	check("neonauth-http down", "/", http.StatusServiceUnavailable)
	if g := n.get(t, "/login"); g.StatusCode != http.StatusOK {
		t.Error("the login page is closed too:", g.Status)
	}
}

// A requirement does not exist. Waiting does not help, so the status is not
// 503.
func TestNginxSaysSoWhenItIsMisconfigured(t *testing.T) {
	t.Parallel()
	w := newSystem(t)
	n := startNginx(t, w, "?level=claims&require=clean-headers;", "?levels=claims;")
	if g := n.get(t, "/", bearing(w.token())); g.StatusCode != http.StatusInternalServerError || w.app.count() != 0 {
		t.Error(g.Status, "and", w.app.count(), "hits")
	}
	w.http.Stop(t) // its log is complete now
	if !strings.Contains(w.http.Written(), `parameter \"levels\" is not known`) {
		t.Error("the log does not name the parameter:", w.http.Written())
	}
}

// Another spelling of an open path is not open (N7).
func TestNginxHolesAreExact(t *testing.T) {
	t.Parallel()
	w := newSystem(t)
	n := startNginx(t, w)
	for _, path := range []string{
		"/LOGIN", "/Login", "/login/", "/login/x", "/login;x", "/login.", "/login%00", "/login%20", "/login%3b",
		"/loginx", "/x/../account/", "/login/../x", "/login%2f..%2fx", "/login/..%2fx", "/login//x", "/%2e%2e/x", "/.//x", "/x//login/",
		"/_neonauth/", "/_neonauth%20", "//_neonauth/x",
	} {
		g := n.get(t, path)
		switch g.StatusCode {
		case http.StatusUnauthorized, http.StatusBadRequest:
		default:
			t.Errorf("%s: %s", path, g.Status)
		}
	}
	// A path that nginx takes for the open path reaches the application as this path
	// and no other.
	for _, path := range []string{"//login", "/./login", "/x/../login", "/%6cogin", "/account/..%2flogin", "/account/%2e%2e/login"} {
		g := n.get(t, path)
		if g.StatusCode == http.StatusBadRequest {
			continue
		}
		if s := g.seen(t); s.Path != "/login" {
			t.Errorf("%s reaches %s", path, s.Path)
		}
	}
}
