package neonauthhttp_test

import (
	"context"
	"html/template"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/internal/e2e/need"
	"github.com/neonauthd/neonauthd/internal/e2e/ports"
	"github.com/neonauthd/neonauthd/protocol"
)

// TestASiteInABrowser signs in, reads a protected page, and signs out, in a
// real browser before the nginx recipe. It runs only on request, because it
// needs Chromium:
//
//	NEONAUTHD_BROWSER=1 go test -run Browser ./internal/e2e/neonauthhttp
//
// With NEONAUTHD_BROWSER set to a folder it leaves pictures there.
func TestASiteInABrowser(t *testing.T) {
	need.Wish(t, "NEONAUTHD_BROWSER", "run a browser")
	where := os.Getenv("NEONAUTHD_BROWSER")
	if info, err := os.Stat(where); err != nil || !info.IsDir() {
		where = t.TempDir()
	}
	w := newSystem(t)
	site := newSite(w)
	w.app.Config.Handler = site
	address := ports.Address(t)
	startNginxAt(t, w, "tcp", address, "listen 8080;", "listen "+address+";")
	home := "http://" + address
	b := startChromium(t, w.dir)

	b.open(home + "/letters?page=2")
	b.await("/login?return=%2Fletters%3Fpage%3D2", "Sign in")
	b.shot(filepath.Join(where, "1-login.png"))
	b.js(`document.querySelector("[name=email]").value = "ada+x@example.org", document.forms[0].submit()`)
	b.await("/letters?page=2", "Hello Ada Lovelace", "ada+x@example.org", "verified: true")
	b.shot(filepath.Join(where, "2-protected.png"))
	stolen := "Cookie: " + site.cookie

	// A script's call of the API gets JSON, not the login page.
	if got := b.js(`fetch("/api", {headers: {accept: "application/json"}, credentials: "omit"}).then(async r => r.status + await r.text())`); got != `401{"error":"unauthorized"}`+"\n" {
		t.Errorf("an API call without the cookie: %q", got)
	}
	if got := b.js(`fetch("/api").then(r => r.status)`); got != "200" {
		t.Errorf("an API call with the cookie: %q", got)
	}

	b.js(`document.querySelector("#out").submit()`)
	b.await("/login", "Sign in")
	b.open(home + "/letters")
	b.await("/login?return=%2Fletters", "Sign in")
	// Signing out has revoked the session, so a thief cannot use the cookie.
	if g := get(t, "tcp", address, "/letters", stolen); g.StatusCode != http.StatusUnauthorized || !strings.Contains(g.Header.Get("WWW-Authenticate"), "revoked") {
		t.Errorf("the cookie from before: %s %v", g.Status, g.Header)
	}

	// While the outcome is unknown, nobody is signed out.
	b.open(home + "/login")
	b.await("Sign in")
	b.js(`document.querySelector("[name=email]").value = "ada+x@example.org", document.forms[0].submit()`)
	b.await("Hello Ada Lovelace")
	w.daemon.Kill(t)
	b.open(home + "/letters")
	b.await("503 Service Temporarily Unavailable")
	b.shot(filepath.Join(where, "3-unavailable.png"))
	w.startDaemon(t)
	for get(t, "unix", w.path("s.sock"), "/readyz").StatusCode != http.StatusOK {
		// neonauth-http tries the daemon again after a quarter of a second at
		// most.
	}
	b.open(home + "/letters")
	b.await("Hello Ada Lovelace")
}

// site is a small application that keeps no session of its own: the headers say
// who the visitor is.
type site struct {
	w      *system
	admin  *client.Client
	cookie string // the last cookie that was set
}

func newSite(w *system) *site {
	return &site{w: w, admin: &client.Client{Socket: w.path("a.sock"), Timeout: e2e.Timeout}}
}

var sitePage = template.Must(template.New("site").Parse(`<!doctype html><title>Letters</title><body style="font: 18px sans-serif; margin: 3em">
{{if .User}}<h1>Hello {{.Name}}</h1><p>{{.Email}} (verified: {{.Verified}})</p><p>User {{.User}}</p><form id=out method=post action=/logout><button>Sign out</button></form>
{{else}}<h1>Sign in</h1><form method=post action="/login?return={{.Return}}"><input name=email placeholder=Email> <button>Sign in</button></form>{{end}}`))

func (s *site) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	show := func(name string) string { text, _ := url.PathUnescape(r.Header.Get(name)); return text }
	switch {
	case r.URL.Path == "/login" && r.Method == http.MethodPost:
		session, err := s.w.SignIn(r.FormValue("email"))
		if err != nil {
			http.Error(rw, err.Error(), http.StatusForbidden)
			return
		}
		s.cookie = "stack-access=" + url.QueryEscape(`["`+session.RefreshToken+`","`+session.AccessToken+`"]`)
		rw.Header().Set("Set-Cookie", s.cookie+"; Path=/; HttpOnly; SameSite=Lax")
		// The application checks the value again, because anybody can write an
		// address with another value.
		back := r.URL.Query().Get("return")
		if !strings.HasPrefix(back, "/") || strings.HasPrefix(back, "//") || strings.Contains(back, `\`) {
			back = "/"
		}
		http.Redirect(rw, r, back, http.StatusSeeOther)
	case r.URL.Path == "/logout" && r.Method == http.MethodPost:
		session := string(protocol.AppendValue(nil, show("X-Auth-Session-Id")))
		if _, err := s.admin.Ask(context.Background(), protocol.REVOKE, "session", session); err != nil {
			http.Error(rw, err.Error(), http.StatusServiceUnavailable)
			return
		}
		rw.Header().Set("Set-Cookie", "stack-access=; Path=/; Max-Age=0")
		http.Redirect(rw, r, "/login", http.StatusSeeOther)
	default:
		rw.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = sitePage.Execute(rw, map[string]string{
			"User": show("X-Auth-User-Id"), "Name": show("X-Auth-Name"), "Email": show("X-Auth-Email"), "Verified": show("X-Auth-Email-Verified"), "Return": r.URL.Query().Get("return"),
		}) // it fails only if the visitor has left
	}
}
