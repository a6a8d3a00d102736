package daemon

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/resolve"
	"github.com/neonauthd/neonauthd/daemon/resolve/resolvetest"
	"github.com/neonauthd/neonauthd/daemon/revoke"
	"github.com/neonauthd/neonauthd/daemon/standin/standintest"
	"github.com/neonauthd/neonauthd/protocol"
)

// testLeeway is the leeway of an idle daemon's projects.
const testLeeway = 5 * time.Second

// idleDaemon is a daemon that is asked without sockets and never runs. The test
// gives it its keys, and its upstream is a stand-in in the same process.
type idleDaemon struct {
	t        testing.TB
	clock    *standintest.Clock
	upstream *standintest.Offline
	daemon   *Daemon
}

// newIdleDaemon makes an idleDaemon with the stand-in's projects "stack", "neon"
// and "oidc", in this order. The last has no keys, because its keys are slow to
// make. change may be nil.
func newIdleDaemon(t testing.TB, change func(*config.Config)) *idleDaemon {
	t.Helper()
	u := standintest.New(t, change)
	k := &idleDaemon{t: t, clock: u.Clock, upstream: u}
	k.begin(u.Config)
	t.Cleanup(k.end)
	return k
}

// begin makes the daemon, and gives keys to its projects.
func (k *idleDaemon) begin(cfg config.Config) {
	k.t.Helper()
	var err error
	if k.daemon, err = New(cfg, Options{Now: k.clock.Read, Dial: k.upstream.Dial}); err != nil {
		k.t.Fatal(err)
	}
	k.giveKeys(k.project("stack"))
	k.giveKeys(k.project("neon"))
}

// end stops the daemon in an orderly way.
func (k *idleDaemon) end() {
	k.t.Helper()
	if err := k.daemon.close(); err != nil {
		k.t.Errorf("close: %v", err)
	}
	for _, p := range k.daemon.projects().List {
		p.Close()
	}
}

func (k *idleDaemon) project(name string) *resolve.Project {
	k.t.Helper()
	p := k.daemon.projects().ByName[name]
	if p == nil {
		k.t.Fatalf("no project %q", name)
	}
	return p
}

func (k *idleDaemon) giveKeys(p *resolve.Project) {
	k.t.Helper()
	resolvetest.GiveKeys(k.t, p, k.daemon.surroundings(k.upstream.Config.Dir))
}

// revoke revokes, and fails unless the list's answer is want.
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

// get calls a handler without a connection.
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

// ask answers a lookup at level claims in all its steps.
func (k *idleDaemon) ask(p *resolve.Project, token string) resolve.Verdict {
	v, _ := k.askFully(&resolve.Lookup{Project: p, Token: []byte(token), Level: resolve.LevelClaims, MaxAge: -1})
	return v
}

// askFully answers a lookup in all its steps, and also tells whether the answer
// came from memory.
func (k *idleDaemon) askFully(l *resolve.Lookup) (v resolve.Verdict, recalled bool) {
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	defer cancel()
	if v, ok := k.daemon.resolver.Recall(l); ok {
		return v, true
	}
	return k.daemon.resolver.Resolve(ctx, l), false
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
