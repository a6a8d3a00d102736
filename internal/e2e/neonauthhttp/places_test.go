package neonauthhttp_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/daemon/standin"
)

// A question may say where its tokens are, in place of the configuration file. Each kind of place is found there and
// nowhere else.
func TestAQuestionSaysWhereItsTokensAre(t *testing.T) {
	t.Parallel()
	w := newSystem(t)
	token := w.token()
	lines := map[string]string{
		"authorization":     bearing(token),
		"sdk-header":        "X-Stack-Access-Token: " + token,
		"sdk-cookie":        "Cookie: stack-access=%5B%22r%22%2C%22" + token + "%22%5D",
		"header:X-Api-Key":  "X-Api-Key: " + token,
		"cookie:app.ticket": "Cookie: app.ticket=" + token,
	}
	for _, config := range []string{"", `token_from = ["cookie:other"]`} {
		w.restartHTTP(t, config)
		for place := range lines {
			for other, line := range lines {
				want := http.StatusUnauthorized
				if place == other {
					want = http.StatusNoContent
				}
				for _, path := range []string{"/nginx", "/caddy", "/haproxy", "/traefik"} {
					if g := w.ask(t, path+"?token-from="+place, line); g.StatusCode != want {
						t.Errorf("%s?token-from=%s with the token in %s: %s", path, place, other, g.Status)
					}
				}
			}
		}
		// Several places, and the results that depend on them.
		g := w.ask(t, "/nginx?token-from=header:x-api-key&level=claims&token-from=cookie:app.ticket", lines["header:X-Api-Key"])
		if g.StatusCode != http.StatusNoContent || g.Header.Get("Vary") != "Cookie, X-Api-Key" {
			t.Error(g.Status, g.Header)
		}
		if g := w.ask(t, "/nginx?token-from=header:x-api-key", "X-Api-Key: "+token, bearing(w.token(forged))); g.StatusCode != http.StatusNoContent {
			t.Error("what stands elsewhere counts:", g.Status)
		}
	}
	most := "/nginx?token-from=authorization" + strings.Repeat("&token-from=authorization", maxPlaces-1)
	if g := w.ask(t, most, lines["authorization"]); g.StatusCode != http.StatusNoContent {
		t.Error("as many as there may be:", g.Status)
	}
	if g := w.ask(t, most+"&token-from=authorization", lines["authorization"]); g.StatusCode != http.StatusInternalServerError {
		t.Error("one more:", g.Status)
	}
}

// One site has two kinds of visitors. Its pages accept the browser's cookie. Its API accepts a header and no cookie, so
// that no form of another site can call it. A visitor cannot choose.
func TestEachLocationHasItsOwnPlaces(t *testing.T) {
	t.Parallel()
	w := newSystem(t)
	n := startNginx(t, w, "nginx?level=claims&require=clean-headers;", "nginx?level=claims&require=clean-headers&token-from=sdk-cookie;",
		"    location /api/ {\n", `    location = /_neonauth_api {
        internal;
        include neonauth/neonauth-ask.conf;
        proxy_pass http://neonauth/nginx?level=claims&require=clean-headers&token-from=header:X-Api-Key;
    }
    location /api/ {
        auth_request /_neonauth_api;
`)
	token := w.StackToken(standin.TokenSpec{Subject: w.ada.ID})
	cookie, key := "Cookie: stack-access=%5B%22r%22%2C%22"+token+"%22%5D", "X-Api-Key: "+token
	for _, test := range []struct {
		path   string
		lines  []string
		status int
	}{
		{"/x", []string{cookie}, 200},
		{"/x", []string{key}, 401},
		{"/x", []string{bearing(token)}, 401},
		{"/api/x", []string{key}, 200},
		{"/api/x", []string{cookie}, 401},
		{"/api/x", []string{bearing(token)}, 401},
		{"/api/x?token-from=sdk-cookie", []string{cookie}, 401},
		{"/api/x?level=claims&token-from=sdk-cookie", []string{cookie, "X-Neonauth-Require: token-from=sdk-cookie", "Token-From: sdk-cookie"}, 401},
		{"/x?token-from=header:X-Api-Key", []string{key, "X-Neonauth-Require: token-from=header:X-Api-Key"}, 401},
	} {
		if g := n.get(t, test.path, test.lines...); g.StatusCode != test.status {
			t.Errorf("%s with %.20q: %s", test.path, test.lines, g.Status)
		}
	}
}

// Envoy names the places in its header.
func TestEnvoySaysWhereItsTokensAre(t *testing.T) {
	t.Parallel()
	w := newSystem(t)
	require := "X-Neonauth-Require: level=claims&token-from=header:X-Api-Key"
	if g := w.ask(t, "/envoy/x?token-from=authorization", require, "X-Api-Key: "+w.token()); g.StatusCode != http.StatusOK {
		t.Error(g.Status)
	}
	if g := w.ask(t, "/envoy/x?token-from=authorization", require, bearing(w.token())); g.StatusCode != http.StatusUnauthorized {
		t.Error(g.Status)
	}
}
