package resolve

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/revoke"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/daemon/standin/standintest"
	"github.com/neonauthd/neonauthd/daemon/statedir"
	"github.com/neonauthd/neonauthd/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testTimeout is how long a test waits for something that must happen soon.
const testTimeout = 20 * time.Second

// testLeeway is the leeway of a harness's projects.
const testLeeway = 5 * time.Second

// harness is a resolver with three projects, and a clock that the test sets. The
// projects' upstream is a stand-in in the same process, which they ask for profiles.
// The test puts their keys there itself; nothing fetches others.
type harness struct {
	t           testing.TB
	clock       *standintest.Clock
	upstream    *standintest.Offline
	surrounding Surroundings
	revocations *revoke.List
	resolver    *Resolver
	projects    map[string]*Project
}

// newHarness makes a harness with the stand-in's projects "stack", "neon" and "oidc".
// The last has no keys, because its keys are slow to make. change may be nil.
func newHarness(t testing.TB, change func(*config.Config)) *harness {
	t.Helper()
	u := standintest.New(t, change)
	h := &harness{t: t, clock: u.Clock, upstream: u, projects: map[string]*Project{}}
	h.surrounding = Surroundings{ConfigDir: u.Config.Dir, Dial: u.Dial, UserAgent: "test", Now: h.clock.Read, Log: slog.New(slog.DiscardHandler)}
	state, err := statedir.Open(u.Config.StateDir)
	if err != nil {
		t.Fatal(err)
	}
	if h.revocations, err = revoke.Open(state, revoke.Options{Now: h.clock.Read}); err != nil {
		t.Fatal(err)
	}
	h.resolver, err = New(Config{
		MaxBytes: int64(u.Config.Cache.MaxBytes), Revocations: h.revocations, Now: h.clock.Read, Log: h.surrounding.Log,
		Panicked: func(value any, stack []byte) { t.Errorf("panic: %v\n%s", value, stack) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		h.resolver.Close()
		if err := errors.Join(h.revocations.Close(), state.Close()); err != nil {
			t.Error(err)
		}
	})
	for _, table := range u.Config.Projects {
		h.projects[table.Name] = h.newProject(table)
	}
	h.giveKeys(h.project("stack"))
	h.giveKeys(h.project("neon"))
	return h
}

func (h *harness) newProject(table config.Project) *Project {
	h.t.Helper()
	p, err := NewProject(table, h.surrounding)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(p.Close)
	return p
}

func (h *harness) project(name string) *Project {
	h.t.Helper()
	p := h.projects[name]
	if p == nil {
		h.t.Fatalf("no project %q", name)
	}
	return p
}

// giveKeys has the same effect on a project as a successful fetch: another project of
// the same table fetches once, and p inherits its keys.
func (h *harness) giveKeys(p *Project) {
	h.t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), testTimeout)
	defer stop()
	inherited, s := false, h.surrounding
	s.KeysChanged = func() {
		if inherited {
			stop()
		}
	}
	donor, err := NewProject(*p.config(), s)
	if err != nil {
		h.t.Fatal(err)
	}
	donor.Inherit(p)
	inherited = true
	donor.keys.Run(ctx)
	donor.Close()
	if state := donor.keys.State(h.clock.Read()); state.Failures > 0 || state.Fetches != 1 {
		h.t.Fatalf("no key set: %v", state.Problem)
	}
	p.Inherit(donor)
}

// stopKeys lets no lookup wait for keys that do not come.
func (p *Project) stopKeys() {
	ctx, stop := context.WithCancel(context.Background())
	stop()
	p.keys.Run(ctx)
}

// claims returns a lookup at level claims.
func (h *harness) claims(p *Project, token string) *Lookup {
	return &Lookup{Project: p, Token: []byte(token), Level: LevelClaims, MaxAge: -1}
}

// profile returns a lookup at level profile.
func (h *harness) profile(p *Project, token string) *Lookup {
	return &Lookup{Project: p, Token: []byte(token), Level: LevelProfile, MaxAge: -1}
}

// ask answers a lookup at level claims in all its steps.
func (h *harness) ask(p *Project, token string) Verdict {
	v, _ := h.askFully(h.claims(p, token))
	return v
}

// askFully answers a lookup in all its steps, and also tells whether the answer came
// from memory.
func (h *harness) askFully(l *Lookup) (v Verdict, recalled bool) {
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	defer cancel()
	if v, ok := h.resolver.Recall(l); ok {
		return v, true
	}
	if !h.resolver.Admit(l) {
		return Busy(), false
	}
	defer h.resolver.Leave(l)
	return h.resolver.Resolve(ctx, l), false
}

// token returns a good token of project "stack" for the user with that id.
func (h *harness) token(subject string) string {
	return h.upstream.StackToken(standin.TokenSpec{Subject: subject})
}

// pend returns a token that names a key that nobody has. Its lookup takes exactly its
// deadline.
func (h *harness) pend() string {
	return h.upstream.StackToken(standin.TokenSpec{Header: map[string]any{"kid": "bm9ib2R5"}})
}

// revoke revokes, and fails unless the list's answer is want.
func (h *harness) revoke(kind, value string, want bool) {
	h.t.Helper()
	changed, err := h.revocations.Revoke(revoke.Mark{Kind: revoke.Kind(kind), Project: "stack", Value: value}, revoke.Origin{}, testLeeway, time.Time{})
	if err != nil || changed != want {
		h.t.Errorf("revoke %s: changed %v, %v; want %v", kind, changed, err, want)
	}
}

func (h *harness) unrevoke(kind, value string, want bool) {
	h.t.Helper()
	changed, err := h.revocations.Unrevoke(revoke.Mark{Kind: revoke.Kind(kind), Project: "stack", Value: value})
	if err != nil || changed != want {
		h.t.Errorf("unrevoke %s: changed %v, %v; want %v", kind, changed, err, want)
	}
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
