package daemon

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/clock"
	"github.com/neonauthd/neonauthd/daemon/keyring"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/daemon/upstream"
	"github.com/neonauthd/neonauthd/internal/e2e"
)

// newObserver returns the observer of a daemon, which checks only when the test says so,
// and what it has told.
func newObserver(w *liveDaemon) (*observer, *[]string) {
	told := &[]string{}
	d := w.daemon
	o := &observer{daemon: &Daemon{opts: Options{
		Now:    w.clock.now,
		Logger: slog.New(slog.NewTextHandler(w.log, nil)),
		Notify: func(state string) { *told = append(*told, state) },
	}, resolver: d.resolver}}
	o.daemon.state.Store(d.state.Load())
	return o, told
}

func TestStatusTellsWhatChanges(t *testing.T) {
	w := newLiveDaemon(t, nil)
	e2e.Until(t, "all projects have keys", func() bool { return w.daemon.status() == "3 of 3 projects have keys" })
	o, told := newObserver(w)
	o.check()
	o.check()
	if len(*told) != 1 || (*told)[0] != "STATUS=3 of 3 projects have keys" {
		t.Fatalf("told %q, want the status once", *told)
	}

	// The circuit opens after some failures.
	token := w.token()
	w.upstream.Inject(standin.Me, standin.Fault{Kind: standin.Reset})
	p := w.daemon.projects().First
	e2e.Until(t, "the circuit is open", func() bool {
		w.dial().Ask("PROFILE max-age=0 %s", token)
		return p.State(w.clock.now()).Upstream.Circuit == upstream.Open
	})
	o.check()
	o.check()
	if got := (*told)[len(*told)-1]; len(*told) != 2 || !strings.HasPrefix(got, "STATUS=3 of 3 projects have keys; profiles fail: main (circuit open; unavailable: ") {
		t.Errorf("told %q", *told)
	}
	if n := strings.Count(w.log.String(), "upstream fails"); n != 1 {
		t.Errorf("an open circuit was logged %d times", n)
	}

	// A project that replaces this one has a circuit of its own, which tells nothing
	// yet.
	text, err := os.ReadFile(filepath.Join(w.dir, "neonauthd.toml"))
	if err != nil {
		t.Fatal(err)
	}
	w.write("neonauthd.toml", strings.Replace(string(text), `preset = "stack"`, "preset = \"stack\"\nleeway = \"6s\"", 1))
	if err := w.daemon.Reload(); err != nil {
		t.Fatal(err)
	}
	o.daemon.state.Store(w.daemon.state.Load())
	o.check()
	if strings.Contains(w.log.String(), "upstream answers again") {
		t.Error("a reload is taken for an answer of the upstream")
	}

	w.upstream.Inject(standin.Any, standin.Fault{Kind: standin.Reset})
	w.clock.advance(keyring.Lifetime + time.Second)
	o.check()
	o.check()
	// A project whose keys were fetched again in vain meanwhile is named with the cause.
	agedOut := regexp.MustCompile(`^STATUS=0 of 3 projects have keys; without keys: main( \([^)]*\))?, neon( \([^)]*\))?, oidc( \([^)]*\))?(;|$)`)
	if got := (*told)[len(*told)-1]; !agedOut.MatchString(got) {
		t.Errorf("told %q", got)
	}
	if n := strings.Count(w.log.String(), "keys too old to verify with"); n != 3 {
		t.Errorf("keys of three projects that aged out were logged %d times", n)
	}
}

// TestAnOutageIsLoggedWithItsCause, of profiles and of introspection, which have a circuit each: once when it begins,
// and once when it is over.
func TestAnOutageIsLoggedWithItsCause(t *testing.T) {
	for name, c := range map[string]struct {
		project  string
		endpoint standin.Endpoint
		token    func(w *liveDaemon) string
	}{
		"profiles": {"main", standin.Me, func(w *liveDaemon) string { return w.token() }},
		"introspection": {"neon", standin.Introspection, func(w *liveDaemon) string {
			return w.upstream.OpaqueToken(standin.Neon, standin.TokenSpec{Subject: w.user.ID, Session: "sid-1", Client: "checker"})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := introspecting(t, nil)
			o, told := newObserver(w)
			token := c.token(w)
			ask := func() string { return w.dial().Ask("PROFILE project=%s max-age=0 %s", c.project, token) }
			if reply := ask(); head(reply) != "OK" {
				t.Fatal(reply)
			}
			o.check()
			w.upstream.Inject(c.endpoint, standin.Fault{Kind: standin.Status, Status: 500})
			e2e.Until(t, "the circuit is open", func() bool { ask(); return strings.Contains(w.daemon.status(), "circuit open") })
			o.check()
			o.check()
			if got := (*told)[len(*told)-1]; !strings.Contains(got, "profiles fail: "+c.project+" (circuit open; unavailable: status 500)") {
				t.Errorf("the status is %q", got)
			}
			w.upstream.Clear(c.endpoint)
			w.clock.advance(time.Minute)
			if reply := ask(); head(reply) != "OK" {
				t.Fatal(reply)
			}
			o.check()
			o.check()
			log := w.log.String()
			fails, over := strings.Count(log, "level=WARN msg=\"upstream fails"), strings.Count(log, "level=INFO msg=\"upstream answers again")
			if fails != 1 || over != 1 || !strings.Contains(log, "cause=\"unavailable: status 500\"") || strings.Contains(log, token) {
				t.Errorf("the outage was logged %d times, and its end %d times:\n%s", fails, over, log)
			}
		})
	}
}

// TestAProjectThatHasNoKeysYetIsNotSaidToHaveOldOnes: a reload gives the project another
// origin, from which nothing comes.
func TestAProjectThatHasNoKeysYetIsNotSaidToHaveOldOnes(t *testing.T) {
	w := newLiveDaemon(t, nil)
	e2e.Until(t, "all projects have keys", func() bool { return w.daemon.status() == "3 of 3 projects have keys" })
	o, _ := newObserver(w)
	o.check()
	text, err := os.ReadFile(filepath.Join(w.dir, "neonauthd.toml"))
	if err != nil {
		t.Fatal(err)
	}
	w.upstream.Inject(standin.Any, standin.Fault{Kind: standin.Reset})
	project := regexp.MustCompile(`(?m)^project_id = .*`)
	w.write("neonauthd.toml", string(project.ReplaceAll(text, []byte(`project_id = "00000000-0000-4000-8000-000000000000"`))))
	if err := w.daemon.Reload(); err != nil {
		t.Fatal(err)
	}
	o.daemon.state.Store(w.daemon.state.Load())
	o.check()
	if status := o.daemon.status(); !strings.HasPrefix(status, "2 of 3 projects have keys; without keys: main") {
		t.Fatalf("the status is %q", status)
	}
	if strings.Contains(w.log.String(), "keys too old to verify with") {
		t.Error("a project without keys was said to have old ones")
	}
}

// TestAJumpOfTheClockIsTold once. The time that passes between two checks is no jump.
func TestAJumpOfTheClockIsTold(t *testing.T) {
	w := newLiveDaemon(t, withoutOIDC)
	o, _ := newObserver(w)
	o.check()
	w.clock.Step(time.Hour) // the first case below is about this step
	for _, c := range []struct {
		name string
		do   func()
		want string
	}{
		{"a step ahead", func() {}, "the wall clock went on by"},
		{"nothing", func() {}, ""},
		{"time passes", func() { w.clock.advance(time.Minute) }, ""},
		{"a little", func() { w.clock.Step(clock.Tolerance) }, ""},
		{"a sleep", func() { w.clock.Sleep(8 * time.Hour) }, "jump=8h0m0s"},
		{"a step back", func() { w.clock.Step(-time.Hour) }, "jump=-1h0m0s"},
	} {
		before := strings.Count(w.log.String(), "the wall clock went on by")
		c.do()
		o.check()
		told := strings.Count(w.log.String(), "the wall clock went on by") - before
		if (told == 1) != (c.want != "") || told > 1 || !strings.Contains(w.log.String(), c.want) {
			t.Errorf("%s: told %d times", c.name, told)
		}
	}
}

func TestStatusFollowsAReload(t *testing.T) {
	w := newLiveDaemon(t, nil)
	told := w.managed("")
	w.hear(told, "READY=1\nSTATUS=")
	if err := w.daemon.ReloadAndTell(); err != nil {
		t.Fatal(err)
	}
	if state := w.hear(told, "RELOADING=1\n"); !strings.Contains(state, "\nMONOTONIC_USEC=") {
		t.Errorf("a reload began with %q", state)
	}
	w.hear(told, "READY=1\nSTATUS=")
	w.write("neonauthd.toml", "nonsense")
	if err := w.daemon.ReloadAndTell(); err == nil {
		t.Fatal("nonsense was put in force")
	}
	w.hear(told, "READY=1\nSTATUS=reload failed")
	if ok, failed := w.daemon.reloads.ok.Load(), w.daemon.reloads.failed.Load(); ok != 1 || failed != 1 {
		t.Errorf("%d reloads and %d failed ones counted", ok, failed)
	}
	w.halt()
	w.hear(told, "STOPPING=1\nSTATUS=")
}

func TestStatusIsKeptUntilTheEnd(t *testing.T) {
	o := &observer{daemon: newIdleDaemon(t, nil).daemon}
	ctx, stop := context.WithCancel(context.Background())
	stop()
	o.run(ctx) // returns at once
	if o.told != "" {
		t.Error("something was told after the end")
	}
}
