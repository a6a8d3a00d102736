package main_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/daemon/standin"
	exit "github.com/neonauthd/neonauthd/internal/program"
)

// beside is another home with sockets of its own and the state directory of h.
func (h *home) beside(t *testing.T, s settings) *home {
	t.Helper()
	other := newHome(t)
	other.configure(t, s)
	text, err := os.ReadFile(other.config())
	must(t, err)
	other.write(t, "neonauthd.toml", strings.Replace(string(text), other.path("state"), h.path("state"), 1))
	return other
}

// TestASecondDaemonOnAStateDirectoryRefuses and spoils nothing of the first's.
func TestASecondDaemonOnAStateDirectoryRefuses(t *testing.T) {
	t.Parallel()
	c := newCloud(t, standin.Options{})
	h := newHome(t)
	s := settings{tables: []string{c.project(t, h, standin.Stack, quick)}}
	first := serve(t, h, s)
	other := h.beside(t, s)
	second := launch(t, other)
	if code := second.awaitEnd(t); code != exit.ExitConfig {
		t.Errorf("it ended with status %d", code)
	}
	if told := second.stderr.String(); !strings.Contains(told, h.path("state")+" is in use by another neonauthd (process ") {
		t.Errorf("it wrote %q", told)
	}
	token, _ := c.user("Ada")
	call(t, h.adminSocket()).expect(t, "REVOKE token "+token, "OK changed=1 entries=1")
	first.kill(t)
	start(t, other)
	call(t, other.socket()).expect(t, "VERIFY "+token, "NO revoked")
}

// TestAStateDirectoryThatOthersCanChangeIsRefused by --check too: whoever can
// write to it can plant a key set, or remove the journal.
func TestAStateDirectoryThatOthersCanChangeIsRefused(t *testing.T) {
	t.Parallel()
	c := newCloud(t, standin.Options{})
	h := newHome(t)
	serve(t, h, settings{tables: []string{c.project(t, h, standin.Stack, quick)}}).kill(t)
	for name, step := range map[string]struct {
		spoil, mend func() error
		says        string
	}{
		"writable by all": {
			func() error { return os.Chmod(h.path("state"), 0o777) }, func() error { return os.Chmod(h.path("state"), 0o700) }, "is writable by others",
		},
		"a journal that others may write to": {
			func() error { return os.Chmod(h.path("state/revocations.journal"), 0o666) },
			func() error { return os.Chmod(h.path("state/revocations.journal"), 0o600) }, "is writable by others",
		},
		"a link for a journal": {
			func() error {
				return errors.Join(os.Rename(h.path("state/revocations.journal"), h.path("j")), os.Symlink(h.path("j"), h.path("state/revocations.journal")))
			},
			func() error { return os.Rename(h.path("j"), h.path("state/revocations.journal")) }, "",
		},
	} {
		must(t, step.spoil())
		i := launch(t, h)
		if code := i.awaitEnd(t); code == 0 || !strings.Contains(i.stderr.String(), step.says) {
			t.Errorf("%s: it ended with status %d and wrote %q", name, code, i.stderr.String())
		}
		out := run(t, "neonauthd", "--config", h.config(), "--check")
		if !strings.Contains(out, "WRONG         state: ") || !strings.Contains(out, step.says) {
			t.Errorf("%s: --check: %s", name, out)
		}
		must(t, step.mend())
	}
	start(t, h)
	if out := run(t, "neonauthd", "--config", h.config(), "--check"); strings.Contains(out, "WRONG") {
		t.Errorf("mended, and in use: --check: %s", out)
	}
}
