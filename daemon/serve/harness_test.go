package serve

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/daemon/lease"
	"github.com/neonauthd/neonauthd/daemon/membership"
	"github.com/neonauthd/neonauthd/daemon/resolve"
	"github.com/neonauthd/neonauthd/daemon/resolve/resolvetest"
	"github.com/neonauthd/neonauthd/daemon/revoke"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/daemon/standin/standintest"
	"github.com/neonauthd/neonauthd/daemon/statedir"
	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/internal/sockets"
	"github.com/neonauthd/neonauthd/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testTimeout is how long a test waits for something that must happen soon.
const testTimeout = 20 * time.Second

// testLeeway is the leeway of a harness's projects.
const testLeeway = 5 * time.Second

// harness is a server whose connections are pipes. Its resolver's projects have their
// keys and fetch no others.
type harness struct {
	t           testing.TB
	clock       *standintest.Clock
	upstream    *standintest.Offline
	surrounding resolve.Surroundings
	revocations *revoke.List
	resolver    *resolve.Resolver
	terms       *Terms
	counters    *Counters
	server      *Server
}

// newHarness makes a harness with the stand-in's projects "stack", "neon" and "oidc".
// The last has no keys, because its keys are slow to make. change may be nil.
func newHarness(t testing.TB, change func(*config.Config)) *harness {
	t.Helper()
	u := standintest.New(t, change)
	log := slog.New(slog.DiscardHandler)
	h := &harness{
		t: t, clock: u.Clock, upstream: u, counters: NewCounters([]byte("nobody's")),
		surrounding: resolve.Surroundings{ConfigDir: u.Config.Dir, Dial: u.Dial, UserAgent: "test", Now: u.Clock.Now, Log: log},
	}
	state, err := statedir.Open(u.Config.StateDir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = state.Close() })
	if h.revocations, err = revoke.Open(state, revoke.Options{Now: u.Clock.Now}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.revocations.Close() })
	h.resolver, err = resolve.New(resolve.Config{
		MaxBytes: int64(u.Config.Cache.MaxBytes), Revocations: h.revocations, Now: u.Clock.Now, Log: log,
		Panicked: func(value any, stack []byte) { t.Errorf("panic: %v\n%s", value, stack) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.resolver.Close)
	callers, err := NewCallers(u.Config.Callers)
	if err != nil {
		t.Fatal(err)
	}
	var projects []*resolve.Project
	for _, table := range u.Config.Projects {
		p, err := resolve.NewProject(table, h.surrounding)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Close)
		projects = append(projects, p)
	}
	h.terms = &Terms{Limits: u.Config.Limits, Projects: resolve.NewProjects(projects), Callers: callers}
	h.server = New(Config{
		Resolver: h.resolver, Counters: h.counters, Hearing: notInFleet, Terms: h.terms, Version: "test", Log: log,
		Leases: lease.New(lease.Options{}),
		Admin: func(verb protocol.Verb, _ *protocol.Request, _ fair.ID) (reply protocol.Reply, rest Rest, refused *Refusal) {
			return reply, nil, &Refusal{Code: protocol.CodeBusy, RetryAfter: 7 * time.Second, Advice: string(verb)}
		},
	})
	h.giveKeys(h.project("stack"))
	h.giveKeys(h.project("neon"))
	return h
}

// notInFleet returns the Hearing of a host without a fleet.
func notInFleet() (h membership.Hearing) { return }

func (h *harness) project(name string) *resolve.Project {
	h.t.Helper()
	p := h.terms.Projects.ByName[name]
	if p == nil {
		h.t.Fatalf("no project %q", name)
	}
	return p
}

func (h *harness) giveKeys(p *resolve.Project) {
	h.t.Helper()
	resolvetest.GiveKeys(h.t, p, h.surrounding)
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

// claims returns a lookup of project "stack" at level claims.
func (h *harness) claims(token string) *resolve.Lookup {
	return &resolve.Lookup{Project: h.project("stack"), Token: []byte(token), Level: resolve.LevelClaims, MaxAge: -1}
}

// ask answers a lookup in all its steps, without a connection.
func (h *harness) ask(l *resolve.Lookup) resolve.Verdict {
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	defer cancel()
	if v, ok := h.resolver.Recall(l); ok {
		return v
	}
	return h.resolver.Resolve(ctx, l)
}

// accepted returns an accepted verdict with that level and body.
func (h *harness) accepted(level resolve.Level, body []byte) *resolve.Verdict {
	h.t.Helper()
	v := h.ask(h.claims(h.token("ada")))
	if v.Status() != protocol.OK {
		h.t.Fatal(v.Outcome)
	}
	v.Level, v.Body = level, body
	return &v
}

// profileOf fetches a profile of that size, and returns the line that asks for it
// with another token.
func (h *harness) profileOf(subject string, size int) string {
	h.t.Helper()
	body := fmt.Sprintf(`{"id":%q,"a":""}`, subject)
	body = body[:len(body)-2] + strings.Repeat("x", size-len(body)) + body[len(body)-2:]
	h.upstream.Inject(standin.Me, standin.Fault{Kind: standin.Answer, Body: body, Header: map[string][]string{"Content-Type": {"application/json"}}, Times: 1})
	v := h.ask(&resolve.Lookup{Project: h.project("stack"), Token: []byte(h.token(subject)), Level: resolve.LevelProfile, MaxAge: -1})
	if v.Status() != protocol.OK || len(v.Body) != size {
		h.t.Fatalf("%s, a profile of %d bytes, want %d", v.Outcome, len(v.Body), size)
	}
	return "PROFILE " + h.token(subject)
}

// revoke revokes, and fails unless the list's answer is want.
func (h *harness) revoke(kind, value string, want bool) {
	h.t.Helper()
	changed, err := h.revocations.Revoke(revoke.Mark{Kind: revoke.Kind(kind), Project: "stack", Value: value}, revoke.Origin{}, testLeeway, time.Time{})
	if err != nil || changed != want {
		h.t.Errorf("revoke %s: changed %v, %v; want %v", kind, changed, err, want)
	}
}

// connect serves one end of a pipe and returns the other, for use in a synctest
// bubble.
func (h *harness) connect(uid uint32) *e2e.Talk {
	ours, theirs := net.Pipe()
	return h.serve(uid, false, ours, theirs)
}

func (h *harness) serve(uid uint32, admin bool, ours, theirs net.Conn) *e2e.Talk {
	h.t.Helper()
	s := h.server
	c := s.register(theirs, sockets.Credentials{UID: uid}, admin)
	if c == nil {
		h.t.Fatal("turned away")
	}
	c.adopt(s.terms.Load())
	c.ctx, c.cancel = context.WithCancel(context.Background())
	s.running.Go(func() {
		defer s.unregister(c)
		c.serve()
	})
	return e2e.NewTalk(h.t, ours)
}
