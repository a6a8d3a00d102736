package logout

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/neonauthd/neonauthd/daemon/clock"
	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/resolve"
	"github.com/neonauthd/neonauthd/daemon/revoke"
	"github.com/neonauthd/neonauthd/daemon/statedir"
	"github.com/neonauthd/neonauthd/internal/program"
	"github.com/neonauthd/neonauthd/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a receiver. Its surroundings note what they are told.
type rig struct {
	t       *testing.T
	dir     string
	list    *revoke.List
	project *resolve.Project
	*Receiver

	says            resolve.Ending
	judged, settled func(context.Context)
	ended           []resolve.Ground
	announced, told atomic.Int64
	announcing      func()
	log             bytes.Buffer
}

// newRig must be called in a synctest bubble.
func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, dir: filepath.Join(t.TempDir(), "state"), judged: func(context.Context) {}, settled: func(context.Context) {}, announcing: func() {}}
	dir, err := statedir.Open(r.dir)
	if err != nil {
		t.Fatal(err)
	}
	if r.list, err = revoke.Open(dir, revoke.Options{Now: time.Now}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = r.list.Close(), dir.Close() })
	r.project = project(t, resource("client"))
	r.Receiver = New(Config{
		Judge:       func(ctx context.Context, _ *resolve.Lookup) resolve.Ending { r.judged(ctx); return r.says },
		Projects:    func() []*resolve.Project { return []*resolve.Project{r.project} },
		Revocations: r.list,
		Ended:       func(grounds ...resolve.Ground) { r.ended = append(r.ended, grounds...) },
		Settled:     func(ctx context.Context) error { r.settled(ctx); return ctx.Err() },
		Announce:    func(revoke.Mark) { r.announced.Add(1); r.announcing() },
		Tell:        func(revoke.Mark) { r.told.Add(1) },
		Log:         slog.New(program.NewRare(slog.NewTextHandler(&r.log, nil))),
	})
	r.says = resolve.Ending{Outcome: protocol.Accepted(), Session: "s", Subject: "ada", Issued: time.Now()}
	return r
}

// resource returns the table of a project whose tokens name their session.
func resource(clients ...string) config.Project {
	table := config.DefaultProject()
	table.Preset, table.BaseURL, table.Resources, table.LogoutClientIDs = "neon", "https://issuer.example/auth", []string{"https://mcp.example"}, clients
	return table
}

func project(t *testing.T, table config.Project) *resolve.Project {
	t.Helper()
	table.Name = "main"
	p, err := resolve.NewProject(table, resolve.Surroundings{Now: time.Now, Wall: &clock.Wall{}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// receive returns the reply to a token, or the code of the refusal.
func (r *rig) receive() string {
	reply, refused := r.Receive(r.t.Context(), &resolve.Lookup{Project: r.project})
	if refused != nil {
		return "ERR " + string(refused.Code)
	}
	return strings.TrimSpace(string(reply.Append(nil)))
}

func TestTheAnswerWaitsForNobodyForLong(t *testing.T) {
	for name, c := range map[string]struct{ settled, takes time.Duration }{
		"all have forgotten": {0, 0},
		"one takes its time": {3 * time.Millisecond, 3 * time.Millisecond},
		"one says nothing":   {time.Hour, ClientsWait},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.announcing = func() { time.Sleep(2 * time.Second) } // as with a fleet
			r.settled = func(ctx context.Context) {
				waiting, stop := context.WithTimeout(ctx, c.settled)
				defer stop()
				<-waiting.Done()
			}
			began := time.Now()
			if reply := r.receive(); reply != "OK ended=session changed=1" || time.Since(began) != c.takes {
				t.Errorf("%s: %s after %s, want %s", name, reply, time.Since(began), c.takes)
			}
			if r.list.Len() != 1 || len(r.ended) != 1 {
				t.Errorf("%s: %d revoked, told %v", name, r.list.Len(), r.ended)
			}
			r.Wait()
			if r.announced.Load() != 1 {
				t.Errorf("%s: the fleet was told %d times", name, r.announced.Load())
			}
		})
	}
}

// TestARefusedTokenIsComplainedOfByItsReason: the log sends to what can be wrong.
func TestARefusedTokenIsComplainedOfByItsReason(t *testing.T) {
	for reason, want := range map[protocol.Reason]string{
		protocol.ReasonExpired: "this host's clock", protocol.ReasonWrongType: "not another kind of token", protocol.ReasonMalformed: "not another kind of token",
		protocol.ReasonUnknownKey: "keys and algorithms", protocol.ReasonWrongAudience: "compare its aud", protocol.ReasonWrongIssuer: "and its iss",
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.says = resolve.Ending{Outcome: protocol.Rejected(reason)}
			if reply := r.receive(); reply != "NO "+string(reason) || !strings.Contains(r.log.String(), want) {
				t.Errorf("%s: %s, log %s", reason, reply, r.log.String())
			}
		})
	}
}

// TestTheKeysAreWaitedForWithinTheSendersTime, which is five seconds.
func TestTheKeysAreWaitedForWithinTheSendersTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.judged = func(ctx context.Context) { <-ctx.Done() }
		r.says = resolve.Ending{Outcome: protocol.Unknown(protocol.CodeKeysPending), RetryAfter: time.Second}
		began := time.Now()
		if reply := r.receive(); reply != "ERR keys-pending" || time.Since(began) != Time || Time+ClientsWait >= 5*time.Second {
			t.Errorf("%s after %s", reply, time.Since(began))
		}
	})
}

// TestOutcomesStayApart: a rejected token, and one whose outcome is unknown, end
// nothing, and nobody is told.
func TestOutcomesStayApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		nothing := func(what, want string) {
			t.Helper()
			if reply := r.receive(); reply != want || r.list.Len() != 0 || len(r.ended) != 0 || r.announced.Load()+r.told.Load() != 0 {
				t.Errorf("%s: %s, %d revoked, told %v", what, reply, r.list.Len(), r.ended)
			}
		}
		for _, reason := range protocol.Reasons() {
			r.says = resolve.Ending{Outcome: protocol.Rejected(reason), Session: "s", Subject: "ada"}
			nothing("refused", "NO "+string(reason))
		}
		for _, code := range protocol.Codes() {
			r.says = resolve.Ending{Outcome: protocol.Unknown(code), Session: "s", Subject: "ada"}
			nothing("unknown", "ERR "+string(code))
		}
		r.says = resolve.Ending{}
		nothing("nothing said", "ERR unavailable")
		r.project = project(t, resource())
		r.says = resolve.Ending{Outcome: protocol.Accepted(), Session: "s"}
		nothing("no client", "ERR misconfigured")
		accepted, rejected, unknown := r.Counts()
		if accepted != 0 || rejected != uint64(len(protocol.Reasons())) || unknown != uint64(len(protocol.Codes()))+2 {
			t.Errorf("counted %d, %d, %d", accepted, rejected, unknown)
		}
		if lines := strings.Count(r.log.String(), "level=WARN"); lines != len(protocol.Reasons())+len(protocol.Codes()) { // the zero outcome is one of these
			t.Errorf("%d lines: %s", lines, r.log.String())
		}
		if strings.Contains(r.log.String(), "ada") {
			t.Error("a user's id is logged")
		}
	})
}

// TestARetryTellsNobody and writes nothing, but it waits until all were told.
func TestARetryTellsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		first := r.receive()
		for range 3 {
			if reply := r.receive(); first != "OK ended=session changed=1" || reply != "OK ended=session changed=0" {
				t.Errorf("%s, then %s", first, reply)
			}
		}
		r.says.Session = ""
		if reply := r.receive(); reply != "OK ended=subject changed=1" {
			t.Error(reply)
		}
		r.Wait()
		if len(r.ended) != 2 || r.announced.Load() != 2 || r.ended[0].Kind != revoke.KindSession || r.ended[1].Kind != revoke.KindSubject || r.ended[1].Value != "ada" {
			t.Errorf("told %v, announced %d times", r.ended, r.announced.Load())
		}
	})
}

// TestTokensThatMayNameNoSessionEndWithTheSession: and a logout that matches no
// token is not called done.
func TestTokensThatMayNameNoSessionEndWithTheSession(t *testing.T) {
	sessions, oidc := resource("client"), resource("client")
	sessions.Resources = nil
	oidc.Preset, oidc.Resources, oidc.Audiences = "oidc", nil, []string{"a"}
	both := []revoke.Mark{{Kind: revoke.KindSession, Project: "main", Value: "s"}, {Kind: revoke.KindSessionless, Project: "main", Value: "ada"}}
	for name, c := range map[string]struct {
		table   config.Project
		subject string
		reply   string
		ended   []revoke.Mark
	}{
		"a resource":                     {resource("client"), "ada", "OK ended=session changed=1", both[:1]},
		"a resource, no subject":         {resource("client"), "", "OK ended=session changed=1", both[:1]},
		"an issuer":                      {oidc, "ada", "OK ended=session changed=1", both},
		"an issuer, no subject":          {oidc, "", "OK ended=session changed=1", both[:1]},
		"sessions' tokens":               {sessions, "ada", "OK ended=session changed=1", both},
		"sessions' tokens, no subject":   {sessions, "", "ERR misconfigured", both[:1]},
		"sessions' tokens, introspected": {introspecting(sessions), "", "ERR misconfigured", both[:1]},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.project, r.says.Subject = project(t, c.table), c.subject
			if reply := r.receive(); reply != c.reply || !slices.Equal(r.ended, c.ended) || r.list.Len() != len(c.ended) {
				t.Errorf("%s: %s, told %v", name, reply, r.ended)
			}
			if reply := r.receive(); reply != strings.Replace(c.reply, "changed=1", "changed=0", 1) || len(r.ended) != len(c.ended) {
				t.Errorf("%s, once more: %s, told %v", name, reply, r.ended)
			}
			r.Wait()
			if n := r.announced.Load(); n != int64(len(c.ended)) {
				t.Errorf("%s: announced %d times", name, n)
			}
		})
	}
}

func introspecting(table config.Project) config.Project {
	table.LogoutClientIDs, table.Introspection = nil, &config.Introspection{ClientID: "client"}
	return table
}

// TestManyLogoutsAtOnceAreToldTheSlowWay: the last one that is announced, and the
// next one.
func TestManyLogoutsAtOnceAreToldTheSlowWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.announcing = func() { time.Sleep(time.Second) }
		for i := range maxAnnouncing + 1 {
			r.says.Session = strings.Repeat("s", i+1)
			if reply := r.receive(); reply != "OK ended=session changed=1" {
				t.Fatal(reply)
			}
			synctest.Wait()
			if want := int64(max(0, i+1-maxAnnouncing)); r.told.Load() != want || r.announced.Load() != int64(i+1)-want {
				t.Errorf("after %d: %d announced, %d told", i+1, r.announced.Load(), r.told.Load())
			}
		}
		r.Wait()
	})
}

// TestWhatIsNotSavedIsNotCalledDone, although it is in force here and elsewhere.
func TestWhatIsNotSavedIsNotCalledDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		if err := os.Rename(r.dir, r.dir+"-away"); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(r.dir, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			reply, refused := r.Receive(t.Context(), &resolve.Lookup{Project: r.project})
			if refused == nil || refused.Code != protocol.CodeUnavailable || refused.Advice != protocol.TextNotSaved {
				t.Errorf("%s, refused %+v", reply.Append(nil), refused)
			}
		}
		r.Wait()
		if r.list.Len() != 1 || len(r.ended) == 0 || r.announced.Load() == 0 {
			t.Errorf("%d revoked, told %v", r.list.Len(), r.ended)
		}
	})
}
