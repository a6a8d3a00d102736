package neonauthhttp_test

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
)

// identityOnly returns the headers of a request that an application could take for an identity, in any spelling,
// including the spellings that gateway interfaces (CGI, WSGI, Rack) make the same.
func identityOnly(h http.Header) map[string]string {
	found := map[string]string{}
	for name, values := range h {
		if strings.HasPrefix(variable(name), "HTTP_X_AUTH_") {
			found[name] = strings.Join(values, "|")
		}
	}
	return found
}

// variable returns the name of the variable that gateway interfaces make of a header: everything but letters and digits
// is "_".
func variable(name string) string {
	return "HTTP_" + strings.ToUpper(regexp.MustCompile("[^A-Za-z0-9]").ReplaceAllString(name, "_"))
}

// sameIdentity compares identity headers. X-Auth-Age may differ, because the test itself takes time.
func sameIdentity(got, want map[string]string) bool {
	got = maps.Clone(got)
	if _, err := strconv.Atoi(got["X-Auth-Age"]); err == nil {
		got["X-Auth-Age"] = want["X-Auth-Age"]
	}
	return maps.Equal(got, want)
}

// spoofs returns header lines with which a visitor could try to be another user.
func spoofs() []string {
	var all []string
	for _, name := range fieldNames() {
		under := strings.ReplaceAll(name, "-", "_")
		all = append(all, name+": mallory", strings.ToLower(name)+": mallory", under+": mallory", strings.ToUpper(under)+": mallory",
			strings.Replace(name, "-", "_", 1)+": mallory", name+" : mallory", name+"\t: mallory")
	}
	return all
}

// The application sees our identity headers or none (N3).
func TestNginxLetsNoVisitorNameItself(t *testing.T) {
	t.Parallel()
	w := newSystem(t)
	n := startNginx(t, w)
	good := bearing(w.token())
	clean := n.get(t, "/", good)
	want := identityOnly(clean.seen(t).Header)
	if want["X-Auth-User-Id"] != w.ada.ID || want["X-Auth-Name"] != "Ada%20Lovelace" || want["X-Auth-Email"] != "ada%2Bx@example.org" || len(want) != int(fieldCount) {
		t.Fatalf("identity is %v", want)
	}
	for _, spoof := range spoofs() {
		for _, path := range []string{"/", "/account/x", "/live/x"} {
			g := n.get(t, path, good, spoof)
			if g.StatusCode == http.StatusBadRequest {
				continue // nginx refuses the line itself
			}
			got := identityOnly(g.seen(t).Header)
			if got["X-Auth-User-Id"] != w.ada.ID || len(got) > int(fieldCount) || strings.Contains(fmt.Sprint(got), "mallory") {
				t.Errorf("%s with %q: %v", path, spoof, got)
			}
		}
		g := n.get(t, "/login", spoof)
		if g.StatusCode == http.StatusBadRequest {
			continue
		}
		if got := identityOnly(g.seen(t).Header); len(got) != 0 {
			t.Errorf("open path with %q: %v", spoof, got)
		}
	}
	// Many proxies drop a header that Connection lists. Our headers must stay.
	for _, name := range fieldNames() {
		g := n.get(t, "/", good, "Connection: close, "+name, name+": mallory")
		if got := identityOnly(g.seen(t).Header); !sameIdentity(got, want) {
			t.Errorf("Connection lists %s: %v", name, got)
		}
	}
}

// Only the token decides (N2): 200 forwarded headers change nothing.
func TestForwardedHeadersDecideNothing(t *testing.T) {
	t.Parallel()
	w := newSystem(t)
	n := startNginx(t, w)
	var spoofed []string
	for _, name := range []string{
		"X-Forwarded-Uri", "X-Forwarded-Method", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-For", "X-Original-URL",
		"X-Original-Uri", "X-Original-Method", "X-Rewrite-Url", "X-Real-Ip", "X-Envoy-Original-Path", "X-Auth-Request-Redirect",
		"Forwarded", "X-Http-Method-Override", "X-Method-Override", "User-Agent", "Referer", "Origin", "Via", "X-Neonauth-Require",
	} {
		for _, value := range []string{"/healthz", "/login", "GET", "127.0.0.1", "for=127.0.0.1;proto=https", "GoogleHC/1.0", "kube-probe/1.30", "allow=anonymous", "level=claims", ""} {
			spoofed = append(spoofed, name+": "+value)
		}
	}
	if len(spoofed) != 200 {
		t.Fatal(len(spoofed), "headers")
	}
	shape := func(g got) string {
		g.Header.Del("Date")
		g.Header.Del("Expires")
		return fmt.Sprint(g.Status, g.Header, g.body)
	}
	token, bad := bearing(w.token()), bearing(w.token(forged))
	direct := map[string]string{"": shape(w.ask(t, "/nginx")), bad: shape(w.ask(t, "/nginx", bad))}
	for _, line := range spoofed {
		for with, want := range direct {
			if got := shape(w.ask(t, "/nginx", slices.DeleteFunc([]string{with, line}, func(s string) bool { return s == "" })...)); got != want {
				t.Errorf("%q: %s, want %s", line, got, want)
			}
		}
		if g := w.ask(t, "/nginx", token, line); g.StatusCode != http.StatusNoContent || g.Header.Get("X-Auth-User-Id") != w.ada.ID {
			t.Errorf("%q: %s", line, g.Status)
		}
		if g := n.get(t, "/", line); g.StatusCode != http.StatusUnauthorized {
			t.Errorf("%q through nginx: %s", line, g.Status)
		}
	}
}

func TestNoNameBreaksOutOfItsHeader(t *testing.T) {
	t.Parallel()
	w := newSystem(t)
	n := startNginx(t, w)
	for _, name := range e2e.HostileNames() {
		u := w.AddUser(standin.User{Name: name, Email: "x@example.org", EmailVerified: true})
		for _, path := range []string{"/", "/account/"} {
			g := n.get(t, path, bearing(w.StackToken(standin.TokenSpec{Subject: u.ID})))
			got := g.seen(t).Header
			if got.Get("X-Auth-User-Id") != u.ID || len(got["X-Auth-User-Id"]) != 1 {
				t.Errorf("%q at %s: user is %q", name, path, got["X-Auth-User-Id"])
			}
			for header, value := range identityOnly(got) {
				if strings.ContainsFunc(value, func(r rune) bool { return r < 0x21 || r > 0x7e }) {
					t.Errorf("%q at %s: %s is %q", name, path, header, value)
				}
			}
			if back := decoded(t, got.Get("X-Auth-Name")); back != name {
				t.Errorf("%q at %s comes out as %q", name, path, back)
			}
		}
	}
	// A name that does not fit is left out. If the rest does not fit either, the status is 403; nginx never fails with
	// "too big header".
	for _, size := range []int{4 << 10, 100 << 10} {
		g := n.get(t, "/account/", bearing(w.long(t, "display_name", size)))
		got := g.seen(t).Header
		if name := got["X-Auth-Name"]; got.Get("X-Auth-Email") != "x@example.org" || len(name) != 0 {
			t.Errorf("a name of %d bytes: the headers are %v", size, got)
		}
		g = n.get(t, "/account/", bearing(w.long(t, "primary_email", size)))
		if g.StatusCode != http.StatusForbidden {
			t.Errorf("an address of %d bytes: %s", size, g.Status)
		}
	}
	if strings.Contains(n.Written(), "too big header") {
		t.Error(n.Written())
	}
	if m := w.metrics(t); !strings.Contains(m, `neonauth_http_reasons_total{reason="identity-too-large"} 2`) {
		t.Error("not counted:\n" + m)
	}
}

// long adds a user with a long member of the profile.
func (w *system) long(t testing.TB, member string, size int) string {
	t.Helper()
	u := w.AddUser(standin.User{Name: "x", Email: "x@example.org", EmailVerified: true})
	if !w.SetProfile(u.ID, member, strings.Repeat("n", size)) {
		t.Fatal("no such user")
	}
	return w.StackToken(standin.TokenSpec{Subject: u.ID})
}

// metrics reads the counters of neonauth-http.
func (w *system) metrics(t testing.TB) string {
	t.Helper()
	g := get(t, "unix", w.path("s.sock"), "/metrics")
	if g.StatusCode != http.StatusOK {
		t.Fatal(g.Status)
	}
	return g.body
}
