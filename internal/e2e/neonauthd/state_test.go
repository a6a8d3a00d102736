package neonauthd_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/internal/program"
)

// beside makes another folder, with sockets of its own and with the state
// directory of h.
func beside(t *testing.T, h *e2e.Folder, s e2e.Settings) *e2e.Folder {
	t.Helper()
	other := e2e.NewFolder(t)
	other.Configure(t, s)
	text, err := os.ReadFile(other.Config())
	e2e.Must(t, err)
	other.Write(t, "neonauthd.toml", strings.Replace(string(text), other.Path("state"), h.Path("state"), 1))
	return other
}

// TestASecondDaemonOnAStateDirectoryRefuses, and changes nothing of the first
// daemon's state.
func TestASecondDaemonOnAStateDirectoryRefuses(t *testing.T) {
	t.Parallel()
	c := e2e.NewUpstream(t, standin.Options{})
	h := e2e.NewFolder(t)
	s := e2e.Settings{Tables: []string{c.Project(t, h, standin.Stack, quick)}}
	first := e2e.Serve(t, h, s)
	other := beside(t, h, s)
	second := other.Launch(t)
	if code := second.AwaitEnd(t); code != program.ExitConfig {
		t.Errorf("it ended with status %d", code)
	}
	if told := second.Stderr.String(); !strings.Contains(told, h.Path("state")+" is in use by another neonauthd (process ") {
		t.Errorf("it wrote %q", told)
	}
	token, _ := c.User("Ada")
	e2e.Call(t, h.AdminSocket()).Expect(t, "REVOKE token "+token, "OK changed=1 entries=1")
	first.Kill(t)
	other.Start(t)
	e2e.Call(t, other.Socket()).Expect(t, "VERIFY "+token, "NO revoked")
}

// TestAStateDirectoryThatOthersCanChangeIsRefused, also by --check: a user who
// can write to it can plant a key set, or remove the journal.
func TestAStateDirectoryThatOthersCanChangeIsRefused(t *testing.T) {
	t.Parallel()
	c := e2e.NewUpstream(t, standin.Options{})
	h := e2e.NewFolder(t)
	e2e.Serve(t, h, e2e.Settings{Tables: []string{c.Project(t, h, standin.Stack, quick)}}).Kill(t)
	for name, step := range map[string]struct {
		spoil, mend func() error
		says        string
	}{
		"writable by all": {
			func() error { return os.Chmod(h.Path("state"), 0o777) }, func() error { return os.Chmod(h.Path("state"), 0o700) }, "is writable by others",
		},
		"a journal that others may write to": {
			func() error { return os.Chmod(h.Path("state/revocations.journal"), 0o666) },
			func() error { return os.Chmod(h.Path("state/revocations.journal"), 0o600) }, "is writable by others",
		},
		"a link for a journal": {
			func() error {
				return errors.Join(os.Rename(h.Path("state/revocations.journal"), h.Path("j")), os.Symlink(h.Path("j"), h.Path("state/revocations.journal")))
			},
			func() error { return os.Rename(h.Path("j"), h.Path("state/revocations.journal")) }, "",
		},
	} {
		e2e.Must(t, step.spoil())
		i := h.Launch(t)
		if code := i.AwaitEnd(t); code == 0 || !strings.Contains(i.Stderr.String(), step.says) {
			t.Errorf("%s: it ended with status %d and wrote %q", name, code, i.Stderr.String())
		}
		out := run(t, "neonauthd", "--config", h.Config(), "--check")
		if !strings.Contains(out, "WRONG         state: ") || !strings.Contains(out, step.says) {
			t.Errorf("%s: --check: %s", name, out)
		}
		e2e.Must(t, step.mend())
	}
	h.Start(t)
	if out := run(t, "neonauthd", "--config", h.Config(), "--check"); strings.Contains(out, "WRONG") {
		t.Errorf("mended, and in use: --check: %s", out)
	}
}

// TestAConfigurationThatOthersCanChangeIsRefused by a start, by --check and by a reload:
// whoever can write to it says who gets in.
func TestAConfigurationThatOthersCanChangeIsRefused(t *testing.T) {
	t.Parallel()
	c := e2e.NewUpstream(t, standin.Options{})
	h := e2e.NewFolder(t)
	running := e2e.Serve(t, h, e2e.Settings{Tables: []string{c.Project(t, h, standin.Stack, quick)}})
	e2e.Must(t, os.Chmod(h.Config(), 0o620))
	e2e.Call(t, h.AdminSocket()).Expect(t, "RELOAD", "ERR .*")
	running.Kill(t)
	i := h.Launch(t)
	if code := i.AwaitEnd(t); code != program.ExitConfig || !strings.Contains(i.Stderr.String(), h.Config()+" is writable by others; chmod go-w") {
		t.Errorf("it ended with status %d and wrote %q", code, i.Stderr.String())
	}
	if out := run(t, "neonauthd", "--config", h.Config(), "--check"); !strings.Contains(out, h.Config()+" is writable by others; chmod go-w") {
		t.Errorf("--check: %s", out)
	}
	e2e.Must(t, os.Chmod(h.Config(), 0o640)) // as for root and the daemon's group
	h.Start(t)
}

// TestWhatWasAcknowledgedSurvivesKills: the daemon is killed while it writes
// changes. It starts each time, and knows everything that it has answered with
// OK.
func TestWhatWasAcknowledgedSurvivesKills(t *testing.T) {
	t.Parallel()
	c := e2e.NewUpstream(t, standin.Options{})
	h := e2e.NewFolder(t)
	daemon := e2e.Serve(t, h, e2e.Settings{Tables: []string{c.Project(t, h, standin.Stack, quick)}})
	inForce := map[string]bool{}
	for round := range 10 {
		admin := e2e.Call(t, h.AdminSocket())
		for n := range 20 {
			value := fmt.Sprintf("s-%d-%d", round, n)
			admin.Expect(t, "REVOKE session "+value, "OK changed=1 .*")
			inForce[value] = true
		}
		taken := fmt.Sprintf("s-%d-%d", round, round)
		admin.Expect(t, "UNREVOKE session "+taken, "OK changed=1 .*")
		inForce[taken] = false
		for n := range 50 { // the test does not wait for the replies
			admin.Send(t, fmt.Sprintf("REVOKE session unheard-%d-%d\n", round, n))
		}
		daemon.Kill(t)
		daemon = h.Start(t)
	}
	admin := e2e.Call(t, h.AdminSocket())
	for value, revoked := range inForce {
		want := "OK changed=0 .*"
		if !revoked {
			want = "OK changed=1 .*"
		}
		admin.Expect(t, "REVOKE session "+value, want)
	}
}
