package neonauthhttp_test

import (
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/internal/e2e/ports"
)

// front is a running web server with its recipe.
type front struct {
	*e2e.Process
	w       *system
	network string
	address string
}

// eachFront runs try with each web server that the tests can run, each in a system of its own.
func eachFront(t *testing.T, try func(t *testing.T, f *front)) {
	t.Helper()
	for name, start := range map[string]func(testing.TB, *system) *front{
		"nginx":   func(t testing.TB, w *system) *front { return startNginx(t, w) },
		"Caddy":   func(t testing.TB, w *system) *front { return startCaddy(t, w) },
		"HAProxy": func(t testing.TB, w *system) *front { return startHAProxy(t, w) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			try(t, start(t, newSystem(t)))
		})
	}
}

// startHAProxy runs HAProxy with the recipe. It replaces paths and addresses, and makes the given replacements: in the
// script if the old text is there, else in the configuration.
func startHAProxy(t testing.TB, w *system, replace ...string) *front {
	t.Helper()
	path := installed(t, "haproxy")
	address := ports.Address(t)
	script, config := []string{"/run/neonauth-http/http.sock", w.path("h.sock")}, []string{
		"/etc/haproxy/neonauth.lua", w.path("neonauth.lua"), "bind :8080", "bind " + address, "127.0.0.1:3000", w.app.address(),
		"/run/neonauth-http/http.sock", w.path("h.sock"),
	}
	for i := 0; i < len(replace); i += 2 {
		if strings.Contains(recipe(t, "haproxy/neonauth.lua"), replace[i]) {
			script = append(script, replace[i:i+2]...)
		} else {
			config = append(config, replace[i:i+2]...)
		}
	}
	w.write(t, "neonauth.lua", recipe(t, "haproxy/neonauth.lua", script...))
	p := launchForeign(t, w.dir, path, nil, "-db", "-f", w.write(t, "haproxy.cfg", recipe(t, "haproxy/haproxy.cfg", config...)))
	p.AwaitListening(t, "tcp", address)
	return &front{p, w, "tcp", address}
}

// startCaddy runs Caddy with the recipe. It replaces paths and addresses, and makes the given replacements.
func startCaddy(t testing.TB, w *system, replace ...string) *front {
	t.Helper()
	path := installed(t, "caddy")
	address := ports.Address(t)
	config := "{\n\tadmin off\n\tauto_https off\n}\n" + recipe(t, "caddy/Caddyfile", append(replace,
		"/run/neonauth-http/http.sock", w.path("h.sock"), ":8080 {", "http://"+address+" {\n\tbind 127.0.0.1", "127.0.0.1:3000", w.app.address())...)
	p := launchForeign(t, w.dir, path, []string{"XDG_DATA_HOME=" + w.dir, "XDG_CONFIG_HOME=" + w.dir, "HOME=" + w.dir},
		"run", "--adapter", "caddyfile", "--config", w.write(t, "Caddyfile", strings.ReplaceAll(config, "http://"+address, "http://:"+address[strings.LastIndexByte(address, ':')+1:])))
	p.AwaitListening(t, "tcp", address)
	return &front{p, w, "tcp", address}
}

// recipe reads an example and makes replacements. Each old text must be there.
func recipe(t testing.TB, name string, replace ...string) string {
	t.Helper()
	file, err := os.ReadFile("../../../examples/" + name)
	if err != nil {
		t.Fatal(err)
	}
	text := string(file)
	for i := 0; i < len(replace); i += 2 {
		if !strings.Contains(text, replace[i]) {
			t.Fatalf("%s has no %q to replace", name, replace[i])
		}
		text = strings.ReplaceAll(text, replace[i], replace[i+1])
	}
	return text
}

// get asks as a visitor does.
func (f *front) get(t testing.TB, path string, lines ...string) got {
	t.Helper()
	return get(t, f.network, f.address, path, lines...)
}

// raw sends a request as it stands.
func (f *front) raw(t testing.TB, text string) got {
	t.Helper()
	return raw(t, f.network, f.address, text)
}

func TestHAProxyRecipe(t *testing.T) {
	t.Parallel()
	w := newSystem(t)
	tryRecipe(t, startHAProxy(t, w))
}

func TestCaddyRecipe(t *testing.T) {
	t.Parallel()
	w := newSystem(t)
	tryRecipe(t, startCaddy(t, w))
}

// tryRecipe tests what every recipe has to guarantee.
func tryRecipe(t *testing.T, f *front) {
	w, good, bad := f.w, bearing(f.w.token()), bearing(f.w.token(expired))
	for _, test := range []struct {
		name, path string
		lines      []string
		status     int
		location   string
		body       string
	}{
		{name: "user", path: "/x?y=1", lines: []string{good}, status: 200},
		{name: "longest token", path: "/x", lines: []string{bearing(w.StackTokenOfSize(8192))}, status: 200},
		{name: "API without token", path: "/x", status: 401, body: `{"error":"unauthorized"}`},
		{name: "API with an expired one", path: "/x", lines: []string{bad}, status: 401, body: `{"error":"unauthorized"}`},
		{name: "two tokens", path: "/x", lines: []string{good, "X-Stack-Access-Token: " + w.token(claim("x", 1))}, status: 400},
		{name: "browser without token", path: "/x", lines: []string{browser}, status: 302, location: "/login?return=%2Fx"},
		{name: "open path", path: "/login?return=/x", status: 200},
		{name: "more is asked", path: "/account/x", lines: []string{good}, status: 200},
		{name: "more than one has", path: "/account/x", lines: []string{bearing(w.long(t, "primary_email", 100<<10))}, status: 403},
		{name: "another way there", path: "/x/../account/x", lines: []string{good}, status: 400},
		{name: "and another", path: "/account/..%2flogin", status: 400},
	} {
		before := w.app.count()
		g := f.get(t, test.path, test.lines...)
		if g.StatusCode != test.status || g.Header.Get("Location") != test.location || test.body != "" && g.body != test.body {
			t.Errorf("%s: %s to %q with %q", test.name, g.Status, g.Header.Get("Location"), g.body)
		}
		if reached := w.app.count() > before; reached != (test.status == 200) {
			t.Errorf("%s: application reached: %t", test.name, reached)
		}
		if test.body != "" && !strings.HasPrefix(g.Header.Get("WWW-Authenticate"), "Bearer") {
			t.Errorf("%s: WWW-Authenticate is %q", test.name, g.Header.Get("WWW-Authenticate"))
		}
	}
	trySpoofs(t, f, good)
	tryOutages(t, f, good)
}

func trySpoofs(t *testing.T, f *front, good string) {
	t.Helper()
	clean := f.get(t, "/", good)
	want := identityOnly(clean.seen(t).Header)
	if want["X-Auth-User-Id"] != f.w.ada.ID || want["X-Auth-Name"] != "Ada%20Lovelace" {
		t.Fatalf("identity is %v", want)
	}
	lines := spoofs()
	for _, name := range fieldNames() {
		lines = append(lines, "Connection: close, "+name+"\n"+name+": mallory")
	}
	for _, spoof := range lines {
		for _, path := range []string{"/", "/login"} {
			g := f.get(t, path, append(strings.Split(spoof, "\n"), good)...)
			if g.StatusCode == http.StatusBadRequest {
				continue // the server refuses the line itself
			}
			got := identityOnly(g.seen(t).Header)
			if path == "/" && !sameIdentity(got, want) || path == "/login" && len(got) != 0 {
				t.Errorf("%s with %q: %v", path, spoof, got)
			}
		}
	}
	for _, name := range e2e.HostileNames() {
		g := f.get(t, "/", bearing(f.w.token(claim("name", name))))
		got := g.seen(t).Header
		if decoded(t, got.Get("X-Auth-Name")) != name || !slices.Equal(got["X-Auth-User-Id"], []string{f.w.ada.ID}) {
			t.Errorf("name %q: %v", name, identityOnly(got))
		}
	}
}

func tryOutages(t *testing.T, f *front, good string) {
	t.Helper()
	fresh := bearing(f.w.long(t, "display_name", 1)) // the daemon does not have this user's profile
	check := func(state, path string) {
		t.Helper()
		before := f.w.app.count()
		g := f.get(t, path, fresh)
		if g.StatusCode != http.StatusServiceUnavailable || f.w.app.count() != before {
			t.Errorf("%s: %s, and the application was reached %d times: %s", state, g.Status, f.w.app.count()-before, g.body)
		}
	}
	f.w.Stop()
	check("upstream down", "/account/y")
	if g := f.get(t, "/", good); g.StatusCode != http.StatusOK {
		t.Error("claims need no upstream:", g.Status)
	}
	f.w.daemon.Kill(t)
	check("daemon down", "/")
	f.w.http.Stop(t)
	check("neonauth-http down", "/")
	if g := f.get(t, "/login"); g.StatusCode != http.StatusOK {
		t.Error("the login page is closed too:", g.Status)
	}
}
