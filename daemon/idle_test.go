package daemon

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/resolve"
	"github.com/neonauthd/neonauthd/daemon/revoke"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/daemon/standin/standintest"
	"github.com/neonauthd/neonauthd/protocol"
)

// testLeeway is the leeway of an idle daemon's projects.
const testLeeway = 5 * time.Second

// idleDaemon is a daemon that is asked without sockets and never runs: its keys are
// put there by hand, its upstream is a stand-in in the same process.
type idleDaemon struct {
	t        testing.TB
	clock    handClock
	upstream *standin.Standin
	dial     standintest.Dialer
	daemon   *Daemon
	dir      string
}

// newIdleDaemon makes one with the stand-in's projects "stack", "neon" and "oidc",
// in this order; the last, whose keys are dear, without keys. change may be nil.
func newIdleDaemon(t testing.TB, change func(*config.Config)) *idleDaemon {
	t.Helper()
	k := &idleDaemon{t: t, clock: newClock(), dir: t.TempDir()}
	k.upstream = standin.New(standin.Options{Now: k.clock.Right, BaseURL: "http://127.0.0.1:9", TokenLifetime: time.Hour})
	k.dial = standintest.Serve(t, k.upstream) // first, so that it ends last
	if err := os.WriteFile(filepath.Join(k.dir, "server-key"), []byte(k.upstream.ServerKey()), 0o600); err != nil {
		t.Fatal(err)
	}
	text := k.upstream.ConfigBlock(standin.Stack, "./server-key") + k.upstream.ConfigBlock(standin.Neon, "") + k.upstream.ConfigBlock(standin.OIDC, "")
	cfg, err := config.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	cfg.StateDir = filepath.Join(k.dir, "state")
	cfg.Dir = k.dir
	cfg.Cache.MaxBytes = config.MinCacheBytes
	if change != nil {
		change(&cfg)
	}
	k.begin(cfg)
	t.Cleanup(k.end)
	return k
}

// begin makes the daemon, and gives its projects keys.
func (k *idleDaemon) begin(cfg config.Config) {
	k.t.Helper()
	var err error
	if k.daemon, err = New(cfg, Options{Now: k.clock.now, Dial: k.dial}); err != nil {
		k.t.Fatal(err)
	}
	k.giveKeys(k.project("stack"))
	k.giveKeys(k.project("neon"))
}

// end ends the daemon in good order.
func (k *idleDaemon) end() {
	k.t.Helper()
	if err := k.daemon.close(); err != nil {
		k.t.Errorf("close: %v", err)
	}
	for _, p := range k.daemon.state.Load().projects.list {
		p.Close()
	}
}

func (k *idleDaemon) project(name string) *resolve.Project {
	k.t.Helper()
	p := k.daemon.state.Load().projects.byName[name]
	if p == nil {
		k.t.Fatalf("no project %q", name)
	}
	return p
}

// giveKeys does for p what a successful fetch does: another project of the same table
// fetches once and is inherited.
func (k *idleDaemon) giveKeys(p *resolve.Project) {
	k.t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	inherited, s := false, k.daemon.opts.surroundings(nil, k.dir)
	s.KeysChanged = func() {
		if inherited {
			stop()
		}
	}
	table := p.Config()
	table.SecretServerKey = "" // which would be tested
	donor, err := resolve.NewProject(table, s)
	if err != nil {
		k.t.Fatal(err)
	}
	donor.Inherit(p)
	inherited = true
	donor.Run(ctx)
	if state := donor.State(k.clock.now()).Keys; state.Failures > 0 || state.Fetches != 1 {
		k.t.Fatalf("no key set: %v", state.Problem)
	}
	p.Inherit(donor)
}

// stopKeys has no lookup wait for keys that do not come.
func stopKeys(p *resolve.Project) {
	ctx, stop := context.WithCancel(context.Background())
	stop()
	p.Run(ctx)
}

// revoke revokes and fails if that does not come to want.
func (k *idleDaemon) revoke(kind, value string, want bool) {
	k.t.Helper()
	changed, err := k.daemon.revocations.Revoke(revoke.Mark{Kind: revoke.Kind(kind), Project: "stack", Value: value}, revoke.Origin{}, testLeeway, time.Time{})
	if err != nil || changed != want {
		k.t.Errorf("revoke %s: changed %v, %v; want %v", kind, changed, err, want)
	}
}

func (k *idleDaemon) unrevoke(kind, value string, want bool) {
	k.t.Helper()
	changed, err := k.daemon.revocations.Unrevoke(revoke.Mark{Kind: revoke.Kind(kind), Project: "stack", Value: value})
	if err != nil || changed != want {
		k.t.Errorf("unrevoke %s: changed %v, %v; want %v", kind, changed, err, want)
	}
}

// get asks a handler without a connection.
func get(h http.Handler, address string) *httptest.ResponseRecorder {
	u, err := url.Parse(address)
	if err != nil {
		panic(err)
	}
	r := httptest.NewRequest(http.MethodGet, u.RequestURI(), nil)
	r.RemoteAddr = "127.0.0.1:1"
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// ask is the whole way of a lookup of level claims.
func (k *idleDaemon) ask(p *resolve.Project, token string) resolve.Verdict {
	v, _ := k.askFully(&resolve.Lookup{Project: p, Token: []byte(token), Level: resolve.LevelClaims, MaxAge: -1})
	return v
}

// askFully also tells whether memory sufficed.
func (k *idleDaemon) askFully(l *resolve.Lookup) (v resolve.Verdict, recalled bool) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if v, ok := k.daemon.resolver.Recall(l); ok {
		return v, true
	}
	return k.daemon.resolver.Resolve(ctx, l), false
}

// accepted is an accepted verdict with that level and body.
func (k *idleDaemon) accepted(level resolve.Level, body []byte) *resolve.Verdict {
	k.t.Helper()
	v := k.ask(k.project("stack"), k.token("ada"))
	wantAccepted(k.t, "a good token", v)
	v.Level, v.Body = level, body
	return &v
}

// token is a good token of project "stack" for a user of that id.
func (k *idleDaemon) token(subject string) string {
	return k.upstream.StackToken(standin.TokenSpec{Subject: subject})
}

// wantAccepted fails unless v is an accepted verdict with its evidence.
func wantAccepted(t testing.TB, what string, v resolve.Verdict) {
	t.Helper()
	if v.Status() != protocol.OK || v.Fields() == nil {
		t.Errorf("%s: %s; want OK", what, v.Outcome)
	}
}

// wantOutcome fails unless v has that outcome.
func wantOutcome(t testing.TB, what string, v resolve.Verdict, outcome protocol.Outcome) {
	t.Helper()
	if v.Outcome != outcome {
		t.Errorf("%s: %s; want %s", what, v.Outcome, outcome)
	}
}
