package neonauthhttp_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
)

// system is everything behind a web server: the upstream's stand-in, the
// daemon, neonauth-http, and an application that returns the request that
// reached it.
type system struct {
	*e2e.Upstream
	dir    string
	daemon *e2e.Process
	http   *e2e.Process
	app    *app
	ada    standin.User
}

// newSystem starts all of it. keys are further lines of the project's table.
func newSystem(t testing.TB, keys ...string) *system {
	t.Helper()
	dir, err := os.MkdirTemp("", "nh-") // short: a socket's path must be
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	w := &system{Upstream: e2e.NewUpstream(t, standin.Options{TokenLifetime: time.Hour}), dir: dir}
	w.ada = w.AddUser(standin.User{
		Name: "Ada Lovelace", Email: "ada+x@example.org", EmailVerified: true, Password: "analytical",
		Team: standin.Team{ID: "0c8a52d6-8d35-4f0a-9c39-6a4c1c7f2b60", Name: "Engines"},
	})
	w.configure(t, keys...)
	w.startDaemon(t)
	w.startHTTP(t, "")
	w.app = newApp(t)
	return w
}

func (w *system) path(name string) string { return filepath.Join(w.dir, name) }

func (w *system) write(t testing.TB, name, text string) string {
	t.Helper()
	if err := os.WriteFile(w.path(name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return w.path(name)
}

func (w *system) configure(t testing.TB, keys ...string) {
	t.Helper()
	w.write(t, "server-key", w.ServerKey())
	block := strings.Replace(strings.TrimSpace(w.ConfigBlock(standin.Stack, "./server-key")), `name = "stack"`, `name = "main"`, 1)
	w.write(t, "neonauthd.toml", fmt.Sprintf("socket = %q\nadmin_socket = %q\nstate_dir = %q\n\n%s\n%s\n",
		w.path("d.sock"), w.path("a.sock"), w.path("state"), block, strings.Join(keys, "\n")))
}

func (w *system) startDaemon(t testing.TB) {
	t.Helper()
	w.daemon = launch(t, w.dir, e2e.Program("neonauthd"), nil, "--config", w.path("neonauthd.toml"))
	w.daemon.Await(t, "READY=1")
}

// startHTTP starts neonauth-http; config is the text of its file, "" for none.
func (w *system) startHTTP(t testing.TB, config string) {
	t.Helper()
	args := []string{"--listen", "unix:" + w.path("h.sock"), "--status-listen", "unix:" + w.path("s.sock"), "--socket", w.path("d.sock")}
	if config != "" {
		args = append(args, "--config", w.write(t, "http.toml", config))
	}
	w.http = launch(t, w.dir, e2e.Program("neonauth-http"), nil, args...)
	w.http.Await(t, "READY=1")
}

// restartHTTP replaces neonauth-http by one with another configuration.
func (w *system) restartHTTP(t testing.TB, config string) {
	t.Helper()
	w.http.Stop(t)
	w.startHTTP(t, config)
}

// token returns a valid token of a user, with further changes.
func (w *system) token(change ...func(*standin.TokenSpec)) string {
	spec := standin.TokenSpec{Subject: w.ada.ID, Session: "11111111-2222-4333-8444-555555555555"}
	for _, c := range change {
		c(&spec)
	}
	return w.StackToken(spec)
}

// claim sets a claim of a token.
func claim(name string, value any) func(*standin.TokenSpec) {
	return func(spec *standin.TokenSpec) {
		if spec.Set == nil {
			spec.Set = map[string]any{}
		}
		spec.Set[name] = value
	}
}

func expired(spec *standin.TokenSpec) {
	spec.IssuedAt, spec.Lifetime = time.Now().Add(-time.Hour), time.Minute
}
func forged(spec *standin.TokenSpec) { spec.Forged = true }

// app is the application behind a web server. It answers with the request that
// it got.
type app struct {
	*httptest.Server
	mu   sync.Mutex
	hits int
}

// seen is the request that reached the application.
type seen struct {
	Method string
	Path   string
	Header http.Header
}

func newApp(t testing.TB) *app {
	a := new(app)
	a.Server = httptest.NewServer(a)
	t.Cleanup(a.Close)
	return a
}

func (a *app) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	a.hits++
	a.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-App", "1")
	_ = json.NewEncoder(w).Encode(seen{r.Method, r.URL.Path, r.Header}) // it fails only if the client has left
}

// count returns how many requests have reached the application.
func (a *app) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.hits
}

func (a *app) address() string { return strings.TrimPrefix(a.URL, "http://") }
