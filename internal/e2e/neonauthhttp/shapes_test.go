package neonauthhttp_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
)

// Requests in the form of Traefik and Envoy, which are not run here.
func TestTraefiksAndEnvoysRequestsAreUnderstood(t *testing.T) {
	t.Parallel()
	w := newSystem(t)
	token := w.token()
	traefik := func(path, bear string) string {
		return "GET " + path + " HTTP/1.1\nHost: 127.0.0.1:4181\nUser-Agent: curl/8.5.0\nAccept: */*\n" + bear +
			"X-Forwarded-For: 203.0.113.9\nX-Forwarded-Host: site.example\nX-Forwarded-Method: POST\nX-Forwarded-Port: 443\n" +
			"X-Forwarded-Proto: https\nX-Forwarded-Server: t\nX-Forwarded-Uri: /account/?x=1\nX-Real-Ip: 203.0.113.9\nAccept-Encoding: gzip\n\n"
	}
	envoy := func(method, path, more string) string {
		return method + " /envoy" + path + " HTTP/1.1\nhost: site.example\ncontent-length: 0\n" + more +
			"x-envoy-internal: true\nx-forwarded-for: 10.0.0.1\nx-envoy-expected-rq-timeout-ms: 10000\n\n"
	}
	bear, require := "Authorization: Bearer "+token+"\n", "x-neonauth-require: level=profile&require=email-verified\n"
	for _, test := range []struct {
		name, text string
		status     int
		reason     string
	}{
		{"traefik", traefik("/traefik?level=claims", bear), 204, ""},
		{"traefik, profile", traefik("/traefik?level=profile&max-age=60&require=email-verified", bear), 204, ""},
		{"traefik without token", traefik("/traefik?level=claims", ""), 401, "no-token"},
		{"traefik, wrong team", traefik("/traefik?require=team:x", bear), 403, "wrong-team"},
		{"envoy", envoy("POST", "/account/?require=team:x&level=", bear+require), 200, ""},
		{"envoy, any method", envoy("DELETE", "/", bear+require), 200, ""},
		{"envoy, root", envoy("GET", "", bear+require), 200, ""},
		{"envoy without token", envoy("GET", "/x", require), 401, "no-token"},
		{"envoy that does not say what it asks", envoy("GET", "/x?level=claims", bear), 500, reasonFault},
		{"envoy with a visitor's wish beside its own", envoy("GET", "/x", bear+require+"x-neonauth-require: level=claims\n"), 500, reasonFault},
		{"envoy's neighbour", envoy("GET", "x", bear+require), 404, "no-route"},
	} {
		g := raw(t, "unix", w.path("h.sock"), test.text)
		if g.StatusCode != test.status || test.reason != "" && g.reason(t) != test.reason {
			t.Errorf("%s: %s %s", test.name, g.Status, g.body)
		}
		if test.status/100 == 2 && (g.Header.Get("X-Auth-User-Id") != w.ada.ID || len(g.Header["X-Auth-Team-Id"]) != 1) {
			t.Errorf("%s: %v", test.name, g.Header)
		}
	}
	for _, file := range []string{"traefik/dynamic.yaml", "envoy/envoy.yaml"} {
		text := recipe(t, file)
		if !strings.Contains(text, "do not run") {
			t.Errorf("%s does not say that it was not run", file)
		}
		for _, name := range fieldNames() {
			if !strings.Contains(strings.ToLower(text), strings.ToLower(name)) {
				t.Errorf("%s leaves %s out", file, name)
			}
		}
	}
}

// Twelve shapes of requests, none of which belongs to a user (N6).
func TestNginxLetsNoShapeThrough(t *testing.T) {
	t.Parallel()
	w := newSystem(t)
	n := startNginx(t, w)
	for _, text := range []string{
		request("GET", "/"), request("HEAD", "/"), request("POST", "/", "Content-Length: 0"), request("OPTIONS", "/", "Origin: https://evil.example", "Access-Control-Request-Method: GET"),
		request("PROPFIND", "/"), request("GET", "/", "Authorization:"), request("GET", "/", "Authorization: Bearer"), request("GET", "/", "Cookie: stack-access=%5B"),
		request("GET", "/", "Expect: 100-continue"), request("GET", "/", "Upgrade: h2c", "Connection: Upgrade"), "GET / HTTP/1.0\n\n", request("GET", "http://site.example/", "X-Original-Url: /login"),
	} {
		if g := n.raw(t, text); g.StatusCode/100 == 2 || g.StatusCode == http.StatusSwitchingProtocols || w.app.count() != 0 {
			t.Errorf("%q: %s", text, g.Status)
		}
	}
}

func TestNginxPassesTheLongestTokenAndFollowsARotation(t *testing.T) {
	t.Parallel()
	w := newSystem(t, `jwks_cooldown = "100ms"`)
	n := startNginx(t, w)
	long := w.StackTokenOfSize(8192)
	if len(long) < 8100 {
		t.Fatal(len(long))
	}
	for _, line := range []string{bearing(long), "X-Stack-Access-Token: " + long, `Cookie: stack-access=%5B%22r%22%2C%22` + long + `%22%5D`} {
		if g := n.get(t, "/", line); g.StatusCode != http.StatusOK {
			t.Errorf("%.30s: %s", line, g.Status)
		}
	}
	before := w.token()
	w.Rotate(standin.Stack, true)
	after := w.token()
	deadline := time.Now().Add(e2e.Timeout)
	g := n.get(t, "/", bearing(after))
	for ; g.StatusCode == http.StatusServiceUnavailable && time.Now().Before(deadline); g = n.get(t, "/", bearing(after)) {
	}
	if g.StatusCode != http.StatusOK {
		t.Error("a token of the new key:", g.Status)
	}
	if g := n.get(t, "/", bearing(before)); g.StatusCode != http.StatusOK {
		t.Error("a token of the former key:", g.Status)
	}
	// Two different tokens are refused, whichever of them the application would
	// use.
	if g := n.get(t, "/", bearing(before), "X-Stack-Access-Token: "+after); g.StatusCode != http.StatusBadRequest {
		t.Error("two tokens:", g.Status)
	}
}

// cached returns replacements that make the recipe use its cache.
func cached(w *system) []string {
	return []string{
		"proxy_cache off;", "include neonauth/neonauth-cache.conf;",
		"upstream app {", "proxy_cache_path " + w.path("cache") + " keys_zone=neonauth:1m use_temp_path=off;\nupstream app {",
	}
}

// The cache recipe separates the answers of visitors, and keeps no answer
// longer than it is valid.
func TestNginxCacheKeepsVisitorsApart(t *testing.T) {
	t.Parallel()
	w := newSystem(t)
	n := startNginx(t, w, append(cached(w), "?level=claims&require=clean-headers;", "?level=claims;")...)
	bob := w.AddUser(standin.User{Name: "Bob", Email: "bob@example.org"})
	tokens := map[string]string{w.ada.ID: w.token(), bob.ID: w.StackToken(standin.TokenSpec{Subject: bob.ID})}
	for range 3 {
		for id, token := range tokens {
			for _, line := range []string{bearing(token), "X-Stack-Access-Token: " + token, `Cookie: stack-access=%5B%22r%22%2C%22` + token + `%22%5D`} {
				g := n.get(t, "/", line)
				if got := g.seen(t).Header.Get("X-Auth-User-Id"); got != id {
					t.Errorf("%.20s of %s is %s", line, id, got)
				}
			}
		}
		if g := n.get(t, "/"); g.StatusCode != http.StatusUnauthorized {
			t.Error("nobody:", g.Status)
		}
		if g := n.get(t, "/", bearing(w.token(forged))); g.StatusCode != http.StatusUnauthorized {
			t.Error("forged:", g.Status)
		}
	}
	if m := w.metrics(t); !strings.Contains(m, `replies_total{dialect="nginx",outcome="accepted"} 6`) {
		t.Error("answers were not kept:", m)
	}
}

// The answer about one request of a visitor is not used for another one that
// has other headers.
func TestNginxCacheLetsNoVisitorNameItself(t *testing.T) {
	t.Parallel()
	w := newSystem(t)
	n := startNginx(t, w, cached(w)...)
	good := bearing(w.token())
	for range 3 {
		if g := n.get(t, "/", good); g.StatusCode != http.StatusOK {
			t.Fatal("without headers of its own:", g.Status)
		}
		for _, spoof := range []string{"X-Auth-Admin: true", "X-Auth-Userid: mallory"} {
			if g := n.get(t, "/", good, spoof); g.StatusCode != http.StatusForbidden {
				t.Errorf("with %s: %s", spoof, g.Status)
			}
		}
	}
	if n := w.app.count(); n != 3 {
		t.Errorf("the application was asked %d times", n)
	}
}

// No token and no data of a user reaches a log or a metric.
func TestNothingOfAUserIsWrittenDown(t *testing.T) {
	t.Parallel()
	w := newSystem(t)
	u := w.AddUser(standin.User{Name: "CANARYNAME", Email: "canarymail@example.org"})
	token := w.StackToken(standin.TokenSpec{Subject: u.ID})
	for _, path := range []string{"/nginx", "/nginx?level=profile", "/nginx?require=team:CANARYTEAM", "/nginx?CANARYPARAM=" + token, "/nginx?project=CANARYPROJECT", "/caddy?level=" + token, "/x"} {
		for _, line := range []string{bearing(token), bearing(token + "x"), "Cookie: stack-access=%5B%22CANARYREFRESH%22%2C%22" + token + "%22%5D"} {
			w.ask(t, path, line)
		}
	}
	w.daemon.Kill(t)
	w.ask(t, "/nginx", bearing(token))
	written := w.http.Written() + w.metrics(t)
	for _, secret := range []string{token[:40], token[len(token)-40:], "CANARYNAME", "canarymail", u.ID, "CANARYREFRESH", "CANARYTEAM", "CANARYPROJECT"} {
		if strings.Contains(written, secret) {
			t.Errorf("%.12s... was written down:\n%s", secret, written)
		}
	}
	if !strings.Contains(written, "CANARYPARAM") {
		t.Error("the name of the unknown parameter is not in the log, so this test would see nothing")
	}
}
