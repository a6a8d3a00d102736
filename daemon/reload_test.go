package daemon

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/clock"
	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/daemon/standin/stackauth"
	"github.com/neonauthd/neonauthd/internal/e2e"
)

// rewrite replaces a text in the configuration file.
func (w *liveDaemon) rewrite(old, new string) {
	w.t.Helper()
	text, err := os.ReadFile(filepath.Join(w.dir, "neonauthd.toml"))
	if err != nil {
		w.t.Fatal(err)
	}
	changed := strings.Replace(string(text), old, new, 1)
	if changed == string(text) {
		w.t.Fatalf("%q is not in the configuration", old)
	}
	w.write("neonauthd.toml", changed)
}

// withoutOIDC leaves out the project whose keys are slow to make. A reload
// brings it back.
func withoutOIDC(c *config.Config) { c.Projects = c.Projects[:2] }

func TestAReloadLeavesUnchangedProjectsWithTheirCachesAndKeys(t *testing.T) {
	w := newLiveDaemon(t, nil)
	k, token := w.dial(), w.token()
	k.Ask("VERIFY %s", token)
	k.Ask("PROFILE %s", token)
	fetches := w.upstream.Calls(standin.StackKeys)
	before := w.daemon.projects().ByName["main"]
	w.rewrite("[[project]]\nname = \"neon\"", "[[project]]\nname = \"neon\"\nleeway = \"7s\"")
	if reply := w.dialAdmin().Ask("RELOAD"); reply != "OK" {
		t.Fatal(reply)
	}
	for _, verb := range []string{"VERIFY", "PROFILE"} {
		if reply := k.Ask("%s %s", verb, token); e2e.Field(reply, "source") != "cache" {
			t.Errorf("%s on the connection of before: %.120s", verb, reply)
		}
	}
	if w.daemon.projects().ByName["main"] != before {
		t.Error("an unchanged project was replaced")
	}
	if n := w.upstream.Calls(standin.StackKeys); n != fetches {
		t.Errorf("its keys were fetched anew: %d calls after %d", n, fetches)
	}
}

func TestAReloadPutsAChangedTableInForceAtOnce(t *testing.T) {
	w := newLiveDaemon(t, nil)
	anonymous := w.upstream.StackToken(standin.TokenSpec{Class: stackauth.ClassAnonymous})
	k, token := w.dial(), w.token()
	k.Ask("VERIFY %s", token)
	if reply := k.Ask("VERIFY %s", anonymous); reply != "NO class-not-allowed" {
		t.Fatal(reply)
	}
	w.rewrite(`name = "main"`, "name = \"main\"\nallow = [\"anonymous\"]")
	admin := w.dialAdmin()
	if reply := admin.Ask("RELOAD"); reply != "OK" {
		t.Fatal(reply)
	}
	if reply := k.Ask("VERIFY %s", anonymous); head(reply) != "OK" {
		t.Errorf("a remembered rejection outlived the table it was reached under: %.80s", reply)
	}
	if reply := k.Ask("VERIFY %s", token); e2e.Field(reply, "source") != "upstream" {
		t.Errorf("an entry outlived the table it was reached under: %.120s", reply)
	}
	w.rewrite("allow = [\"anonymous\"]\n", "")
	if reply := admin.Ask("RELOAD"); reply != "OK" {
		t.Fatal(reply)
	}
	if reply := k.Ask("VERIFY %s", anonymous); reply != "NO class-not-allowed" {
		t.Errorf("an acceptance outlived the table it was reached under: %.80s", reply)
	}
}

// TestWhatWasBegunBeforeAReloadServesNobodyWhoAsksAfterIt: during the reload a
// lookup is in flight whose answer depends on the old table.
func TestWhatWasBegunBeforeAReloadServesNobodyWhoAsksAfterIt(t *testing.T) {
	w := newLiveDaemon(t, nil)
	answer := make(chan struct{})
	w.upstream.Inject(standin.Me, standin.Fault{Kind: standin.KnownError, Code: "USER_NOT_FOUND", Until: answer, Times: 1})
	token := w.token()
	k := w.dial()
	k.Send("PROFILE " + token + "\n")
	w.awaitCalls(1)
	w.rewrite(`name = "main"`, "name = \"main\"\nleeway = \"7s\"")
	if reply := w.dialAdmin().Ask("RELOAD"); reply != "OK" {
		t.Fatal(reply)
	}
	if reply := w.dial().Ask("PROFILE %s", token); e2e.Field(reply, "source") != "upstream" {
		t.Errorf("after the reload: %.100s", reply)
	}
	close(answer)
	if reply := k.Receive(); !strings.HasPrefix(reply, "NO ") && !strings.HasPrefix(reply, "ERR ") {
		t.Errorf("before the reload: %.100s", reply)
	}
	if reply := k.Ask("PROFILE %s", token); head(reply) != "OK" {
		t.Errorf("the late answer was remembered for the new table: %.100s", reply)
	}
}

func TestAReloadDuringAnOutageLosesNoKeys(t *testing.T) {
	w := newLiveDaemon(t, func(c *config.Config) { c.StateDir = filepath.Join(c.StateDir, "not", "used") })
	k := w.dial()
	// If a set were saved later, it would be in the way of the folder.
	e2e.Until(t, "all projects have keys", func() bool { return w.daemon.status() == "3 of 3 projects have keys" })
	w.upstream.Inject(standin.Keys, standin.Fault{Kind: standin.Status})
	state := fmt.Sprintf("state_dir = %q", filepath.Join(w.dir, "state"))
	w.rewrite(state, fmt.Sprintf("state_dir = %q", filepath.Join(w.dir, "state", "not", "used")))
	w.rewrite(`name = "main"`, "name = \"main\"\nleeway = \"7s\"")
	if err := os.RemoveAll(filepath.Join(w.dir, "state")); err != nil {
		t.Fatal(err)
	}
	if reply := w.dialAdmin().Ask("RELOAD"); reply != "OK" {
		t.Fatal(reply)
	}
	if reply := k.Ask("VERIFY %s", w.token()); head(reply) != "OK" {
		t.Errorf("%.100s", reply)
	}
}

func TestARemovedProjectIsUnknownAndARestoredOneWorks(t *testing.T) {
	w := newLiveDaemon(t, nil)
	k, admin := w.dial(), w.dialAdmin()
	token := w.upstream.NeonToken(standin.TokenSpec{Subject: w.user.ID})
	k.Ask("VERIFY project=neon %s", token)
	w.rewrite(`name = "neon"`, `name = "renamed"`)
	if reply := admin.Ask("RELOAD"); reply != "OK" {
		t.Fatal(reply)
	}
	if reply := k.Ask("VERIFY project=neon %s", token); !strings.HasPrefix(reply, "ERR unknown-project") {
		t.Errorf("removed: %.100s", reply)
	}
	if reply := k.Ask("VERIFY project=renamed %s", token); e2e.Field(reply, "project") != "renamed" {
		t.Errorf("added: %.100s", reply)
	}
	if running := len(w.daemon.running); running != 2*3 {
		t.Errorf("%d projects and rings of keys run, want 3 of each", running)
	}
}

// TestAKeySetOfARemovedProjectIsNotMissing: nobody writes its file any more.
func TestAKeySetOfARemovedProjectIsNotMissing(t *testing.T) {
	w := newLiveDaemon(t, nil)
	full := func(io.Writer) error { return syscall.ENOSPC }
	for _, project := range []string{"neon", "main"} {
		if err := w.daemon.stateDir.Replace("keys-"+project+".json", full); err == nil {
			t.Fatal("was written")
		}
		w.rewrite(fmt.Sprintf("name = %q", project), `name = "renamed"`)
		if reply := w.dialAdmin().Ask("RELOAD"); reply != "OK" {
			t.Fatal(reply)
		}
		if err := w.daemon.stateDir.Unwritten(); err != nil {
			t.Errorf("%s is gone: %v", project, err)
		}
		w.rewrite(`name = "renamed"`, fmt.Sprintf("name = %q", project))
	}
}

// TestAReloadIsWholeOrNotAtAll breaks the file in several ways. Each time the
// file also has a good change, which must not come into force.
func TestAReloadIsWholeOrNotAtAll(t *testing.T) {
	for _, c := range []struct{ name, old, new, message string }{
		{"syntax", `name = "oidc"`, `name = oidc`, "line "},
		{"unknown key", `name = "oidc"`, "name = \"oidc\"\ncolour = \"red\"", "unknown key"},
		{"out of bounds", `name = "oidc"`, "name = \"oidc\"\nleeway = \"61s\"", "leeway"},
		{"unknown user", "[[project]]\nname = \"neon\"", "[[caller]]\nuser = \"no-such-user-here\"\n\n[[project]]\nname = \"neon\"", "no-such-user-here"},
		{"socket", "socket = ", "socket = \"/run/elsewhere.sock\" #", "restart"},
		{"admin_socket", "admin_socket = ", "admin_socket = \"/run/elsewhere.sock\" #", "restart"},
		{"state_dir", "state_dir = ", "state_dir = \"/run/elsewhere\" #", "restart"},
		{"metrics_listen", "socket = ", "metrics_listen = \"127.0.0.1:1\"\nsocket = ", "restart"},
		{"cache.max_bytes", "[[project]]", "[cache]\nmax_bytes = \"65MiB\"\n\n[[project]]", "restart"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newLiveDaemon(t, withoutOIDC)
			before := w.daemon.state.Load()
			w.rewrite(`name = "main"`, `name = "main2"`)
			w.rewrite(c.old, c.new)
			reply := w.dialAdmin().Ask("RELOAD")
			if !strings.HasPrefix(reply, "ERR misconfigured ") || !strings.Contains(reply, c.message) {
				t.Errorf("%s; want it to speak of %q", reply, c.message)
			}
			if w.daemon.state.Load() != before {
				t.Error("something came into force")
			}
			if reply := w.dial().Ask("VERIFY project=main %s", w.token()); head(reply) != "OK" {
				t.Errorf("then: %.80s", reply)
			}
		})
	}
}

func TestALookupUnderWaySurvivesAReload(t *testing.T) {
	w := newLiveDaemon(t, nil)
	answer := make(chan struct{})
	w.upstream.Inject(standin.Me, standin.Fault{Kind: standin.Delay, Until: answer, Times: 1})
	k := w.dial()
	k.Send("PROFILE " + w.token() + "\n")
	w.awaitCalls(1)
	w.rewrite(`name = "neon"`, `name = "renamed"`)
	if reply := w.dialAdmin().Ask("RELOAD"); reply != "OK" {
		t.Fatal(reply)
	}
	close(answer)
	if reply := k.Receive(); !strings.HasPrefix(reply, "OK level=profile") {
		t.Errorf("%.100s", reply)
	}
}

func TestReloadsTakeEffectOnOpenConnections(t *testing.T) {
	w := newLiveDaemon(t, nil)
	k := w.dial()
	if reply := k.Ask("VERIFY %s", w.token()); head(reply) != "OK" {
		t.Fatal(reply)
	}
	w.rewrite("[[project]]", fmt.Sprintf("[[caller]]\nuid = %d\nprojects = [\"neon\"]\n\n[[project]]", os.Getuid()))
	if err := w.daemon.Reload(); err != nil {
		t.Fatal(err)
	}
	if reply := k.Ask("VERIFY %s", w.token()); !strings.HasPrefix(reply, "ERR forbidden") {
		t.Errorf("%.100s", reply)
	}
	if projects := e2e.Field(k.Ask("HELLO 1 test"), "projects"); projects != "neon" {
		t.Errorf("HELLO tells projects %q", projects)
	}
}

func TestReloadsAndLookupsAtTheSameTime(t *testing.T) {
	w := newLiveDaemon(t, nil)
	w.rewrite("[[project]]", fmt.Sprintf("[[caller]]\nuid = %d\nwithhold = [\"server_metadata\"]\n\n[[project]]", os.Getuid()))
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if err := w.daemon.Reload(); err != nil {
				t.Errorf("reload: %v", err)
			}
		}
	}()
	k, token := w.dial(), w.token()
	for i := range 20 {
		k.Send(fmt.Sprintf("@a VERIFY %s\n@b PROFILE max-age=0 %s\n@c PROFILE %s\n", w.token(), token, token))
		for range 3 {
			if reply := k.Receive(); !strings.Contains(reply, " OK ") && !strings.Contains(reply, "unavailable") && !strings.Contains(reply, "busy") {
				t.Fatalf("%d: %.120s", i, reply)
			}
		}
	}
	stop()
	<-done
}

// TestAReloadChangesHowLongRevocationsAreKept, also for existing revocations.
func TestAReloadChangesHowLongRevocationsAreKept(t *testing.T) {
	w := newLiveDaemon(t, withoutOIDC)
	admin := w.dialAdmin()
	for _, what := range []string{"session s", "subject t"} {
		if reply := admin.Ask("REVOKE %s", what); e2e.Field(reply, "changed") != "1" {
			t.Fatal(reply)
		}
	}
	w.clock.advance(3 * 24 * time.Hour)
	w.daemon.opts.wall.Hear(clock.Testimony{Date: w.clock.now().Round(0), Asked: w.clock.now(), Answered: w.clock.now()})
	w.daemon.revocations.Sweep()
	if n := w.daemon.revocations.Len(); n != 2 {
		t.Fatalf("%d are in force after three days, want 2", n)
	}
	for i, change := range [][2]string{{"state_dir = ", "revocation_retention = \"1h\"\nstate_dir = "}, {"preset = ", "session_lifetime = \"1h\"\npreset = "}} {
		w.rewrite(change[0], change[1])
		if reply := admin.Ask("RELOAD"); reply != "OK" {
			t.Fatal(reply)
		}
		w.daemon.revocations.Sweep()
		if n := w.daemon.revocations.Len(); n != 1-i {
			t.Errorf("after %s: %d are in force, want %d", change[1], n, 1-i)
		}
	}
}
