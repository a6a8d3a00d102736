package client_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/internal/e2e/need"
)

// calls is the trial of a page that calls a server. It runs the program of another block
// as this server, and the page with the token that the SDK has for the user, by the rules
// of a browser.
func calls(server string) trial {
	return func(t *testing.T, r *reader, b block) {
		need.Program(t, "node", "nodejs")
		i := slices.IndexFunc(r.blocks, func(other block) bool { return other.name() == server })
		if i < 0 {
			t.Fatalf("there is no block %q", server)
		}
		base := r.start(t, r.blocks[i])
		const path, elsewhere, unread = "/account", "http://page.example/", "Failed to fetch"
		if !strings.Contains(b.text, "fetch('"+path+"'") {
			t.Fatalf("it does not call %s", path)
		}
		hello := "hello " + r.system.people["ada"].subject + "\n"
		shared := allowing(t, base, strings.TrimSuffix(elsewhere, "/"))
		for name, test := range map[string]struct {
			page, server string // the server's address in the page's own text; "": the page's own origin
			ada, past    string // what the page shows
		}{
			"of the server's origin":                        {page: base + "/", ada: hello, past: "Unauthorized"},
			"of another origin":                             {page: elsewhere, server: base, ada: unread, past: unread},
			"of another origin, with CORS around the guard": {page: elsewhere, server: shared, ada: hello, past: "Unauthorized"},
		} {
			t.Run(name, func(t *testing.T) {
				text := strings.Replace(b.text, "fetch('"+path+"'", "fetch('"+test.server+path+"'", 1)
				r.shows(t, text, test.page, "ada", test.ada)
				r.shows(t, text, test.page, "past", test.past)
			})
		}
	}
}

// shows runs a page that comes from an address, for somebody who has signed in there.
func (r *reader) shows(t *testing.T, text, page, who, says string) {
	t.Helper()
	file, browser := filepath.Join(r.dir, "page.mjs"), absolute(t, "testdata/readme/browser.mjs")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for begun := time.Now(); ; {
		out, err := r.run(t, "node --import "+browser+" page.mjs 2>&1 || true", "PAGE="+page, "TOKEN="+r.system.people[who].token)
		if err == nil && strings.Contains(out, says) {
			return
		}
		if err != nil || !strings.Contains(out, "Service Unavailable") || time.Since(begun) > systemTimeout {
			t.Fatalf("for %s the page shows %q (error: %v), expected %q", who, out, err, says)
		}
	}
}

// allowing returns the address of a proxy that adds CORS headers to the server's
// responses and answers preflights itself, like middleware around a guard.
func allowing(t *testing.T, base, origin string) string {
	t.Helper()
	target, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	forward := httputil.NewSingleHostReverseProxy(target)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", origin)
		if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
			w.Header().Set("Access-Control-Allow-Headers", "X-Stack-Access-Token")
			return
		}
		forward.ServeHTTP(w, r)
	}))
	t.Cleanup(proxy.Close)
	return proxy.URL
}
