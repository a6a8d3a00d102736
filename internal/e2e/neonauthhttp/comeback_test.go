package neonauthhttp_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// Only the web server's own header is answered, and only in a refusal.
func TestOnlyARefusalTellsWhereToComeBackTo(t *testing.T) {
	t.Parallel()
	w := newSystem(t)
	for _, test := range []struct {
		lines []string
		want  string
	}{
		{[]string{"X-Neonauth-Uri: /x?y=1"}, "%2Fx%3Fy%3D1"},
		{[]string{"X-Neonauth-Uri: /x", bearing(w.token(expired))}, "%2Fx"},
		{[]string{"X-Neonauth-Uri: /x", bearing(w.token())}, ""},
		{[]string{"X-Neonauth-Uri: /x", "X-Neonauth-Uri: /y"}, ""},
		{[]string{"X-Forwarded-Uri: /x"}, ""},
	} {
		if g := w.ask(t, "/nginx", test.lines...); g.Header.Get(returnHeader) != test.want {
			t.Errorf("%.40q: %q, want %q", test.lines, g.Header.Get(returnHeader), test.want)
		}
	}
}

// The redirect goes to the login page of this site. Its only parameter is the requested address, unchanged.
func TestLoginRedirectsKeepWhatWasAskedFor(t *testing.T) {
	t.Parallel()
	eachFront(t, func(t *testing.T, f *front) {
		for target, want := range map[string]string{
			"/":                                    "/",
			"/x?y=1&z=2":                           "/x?y=1&z=2",
			"/x?a=1&return=https://evil.example/":  "/x?a=1&return=https://evil.example/",
			"/x?return=//evil.example":             "/x?return=//evil.example",
			"/x?a=%26b%3D%23c%25":                  "/x?a=%26b%3D%23c%25",
			"/x?a=b+c&d=e%20f;g":                   "/x?a=b+c&d=e%20f;g",
			"/caf%C3%A9/%E8%AA%9E?q=%E8%AA%9E":     "/caf%C3%A9/%E8%AA%9E?q=%E8%AA%9E",
			"/x??y=?":                              "/x??y=?",
			"/x?@evil.example":                     "/x?@evil.example",
			"/@evil.example/":                      "/@evil.example/",
			"/.evil.example":                       "/.evil.example",
			"/x:80/":                               "/x:80/",
			"/x?" + strings.Repeat("&", maxReturn): "/x",
			"/" + strings.Repeat("a", 2*maxReturn): "/",
			"/account/x?y=1":                       "/account/x?y=1",
		} {
			g := f.get(t, target, browser)
			where, err := url.Parse(g.Header.Get("Location"))
			if g.StatusCode != http.StatusFound || err != nil {
				t.Errorf("%.60q: %s to %q", target, g.Status, g.Header.Get("Location"))
				continue
			}
			site := &url.URL{Scheme: "http", Host: "site.example", Path: "/"}
			query, err := url.ParseQuery(where.RawQuery)
			if to := site.ResolveReference(where); err != nil || to.Hostname() != "site.example" || to.Path != "/login" || where.Fragment != "" || len(query) != 1 || len(query["return"]) != 1 {
				t.Errorf("%.60q: goes to %q", target, where)
				continue
			}
			back := query.Get("return")
			if back != want {
				t.Errorf("%.60q: comes back to %.60q, want %.60q", target, back, want)
			}
			if to, err := site.Parse(back); err != nil || to.Hostname() != "site.example" {
				t.Errorf("%.60q: comes back to %q", target, to)
			}
		}
		// An address that leads to another site gets no redirect at all.
		for _, target := range []string{"//evil.example/", `/\evil.example/`, "///evil.example", "/%2fevil.example", "/%5cevil.example", "/x/..//evil.example", "/.//evil.example"} {
			if g := f.get(t, target, browser); g.StatusCode != http.StatusBadRequest {
				t.Errorf("%q: %s to %q", target, g.Status, g.Header.Get("Location"))
			}
		}
	})
}
