package daemon

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/keyring"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/daemon/upstream"
	"github.com/neonauthd/neonauthd/protocol"
)

// idleDaemon is a daemon that is asked without sockets and never runs: its keys are
// put there by hand, its upstream is a handler in the same process.
type idleDaemon struct {
	t        testing.TB
	clock    handClock
	upstream *standin.Standin
	daemon   *Daemon
	dir      string
}

// newIdleDaemon makes one with the stand-in's projects "stack", "neon" and "oidc",
// in this order; the last, whose keys are dear, without keys. change may be nil.
func newIdleDaemon(t testing.TB, change func(*config.Config)) *idleDaemon {
	t.Helper()
	k := &idleDaemon{t: t, clock: newClock(), dir: t.TempDir()}
	k.upstream = standin.New(standin.Options{Now: k.clock.Right, BaseURL: "http://127.0.0.1:9", TokenLifetime: time.Hour})
	text := k.upstream.ConfigBlock(standin.Stack, "./no-such-key") + k.upstream.ConfigBlock(standin.Neon, "") + k.upstream.ConfigBlock(standin.OIDC, "")
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
	if k.daemon, err = New(cfg, Options{Now: k.clock.now}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := k.daemon.close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	k.giveKeys(k.project("stack"))
	k.giveKeys(k.project("neon"))
	return k
}

func (k *idleDaemon) project(name string) *project {
	k.t.Helper()
	p := k.daemon.state.Load().projects.byName[name]
	if p == nil {
		k.t.Fatalf("no project %q", name)
	}
	return p
}

// giveKeys does for p what a successful fetch does: a ring of its own fetches once
// and is inherited.
func (k *idleDaemon) giveKeys(p *project) {
	k.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ring := keyring.New(keyring.Config{
		Fetch: func(context.Context, upstream.Validators) (upstream.KeySetResponse, error) {
			r := get(k.upstream, k.upstream.KeysURL(standin.Preset(p.config.Preset)))
			stop()
			return upstream.KeySetResponse{Body: r.Body.Bytes(), MaxAge: -1}, nil
		},
		Algorithms: p.policy.Algorithms,
		Refresh:    time.Duration(p.config.JWKSRefresh),
		MaxAge:     time.Duration(p.config.JWKSMaxAge),
		Cooldown:   time.Duration(p.config.JWKSCooldown),
		Store:      keyring.NewStore(nil, p.name, p.config.KeysID()),
		Now:        k.clock.now,
		Log:        slog.New(slog.DiscardHandler),
	})
	ring.Inherit(p.keys)
	ring.Run(ctx)
	if ring.State(k.clock.now()).Failures > 0 {
		k.t.Fatal("no key set")
	}
	p.keys.Inherit(ring)
}

// stopKeys has no lookup wait for keys that do not come.
func (p *project) stopKeys() {
	ctx, stop := context.WithCancel(context.Background())
	stop()
	p.keys.Run(ctx)
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
func (k *idleDaemon) ask(p *project, token string) Verdict {
	v, _ := k.askFully(&lookup{project: p, token: []byte(token), level: LevelClaims, maxAge: -1})
	return v
}

// askFully also tells whether memory sufficed.
func (k *idleDaemon) askFully(l *lookup) (v Verdict, recalled bool) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if v, ok := k.daemon.resolver.recall(l); ok {
		return v, true
	}
	return k.daemon.resolver.resolve(ctx, l), false
}

// token is a good token of project "stack" for a user of that id.
func (k *idleDaemon) token(subject string) string {
	return k.upstream.StackToken(standin.TokenSpec{Subject: subject})
}

// wantAccepted fails unless v is an accepted verdict with its evidence.
func wantAccepted(t testing.TB, what string, v Verdict) {
	t.Helper()
	if v.Status() != protocol.OK || v.entry == nil {
		t.Errorf("%s: %s; want OK", what, v.Outcome)
	}
}

// wantOutcome fails unless v has that outcome.
func wantOutcome(t testing.TB, what string, v Verdict, outcome protocol.Outcome) {
	t.Helper()
	if v.Outcome != outcome {
		t.Errorf("%s: %s; want %s", what, v.Outcome, outcome)
	}
}
