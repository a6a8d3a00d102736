package main_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e/need"
)

// unshared puts a command into a user namespace that maps only our own user, as
// PrivateUsers=yes does, and into further namespaces.
func unshared(further uintptr) func(*exec.Cmd) {
	return func(cmd *exec.Cmd) {
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER | further,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		}
	}
}

// needNamespaces skips a test where a user namespace cannot be made.
func needNamespaces(t *testing.T) {
	t.Helper()
	probe := exec.Command("/bin/true")
	unshared(0)(probe)
	err := probe.Run()
	need.Host(t, err == nil, fmt.Sprintf("no user namespaces here: %v", err))
}

// TestCallerRulesAreRefusedWhereUsersCannotBeTold: in a user namespace of its
// own the daemon would take every caller for one.
func TestCallerRulesAreRefusedWhereUsersCannotBeTold(t *testing.T) {
	t.Parallel()
	needNamespaces(t)
	c := newCloud(t, standin.Options{})
	h := newHome(t)
	h.configure(t, settings{tables: []string{c.project(t, h, standin.Neon), "[[caller]]\nuid = 0\n"}})
	run := func(change func(*exec.Cmd), extra ...string) (string, error) {
		cmd := exec.Command(program("neonauthd"), append([]string{"--config", h.config()}, extra...)...)
		cmd.Env = cleanEnvironment()
		change(cmd)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	for name, extra := range map[string][]string{"checking": {"--check"}, "serving": nil} {
		out, err := run(unshared(0), extra...)
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 78 || !strings.Contains(out, "callers.conf") {
			t.Errorf("%s: %v: %s", name, err, out)
		}
	}
	// Who checks as an operator is not in the unit's namespace.
	if out, err := run(func(*exec.Cmd) {}, "--check"); err != nil || !strings.Contains(out, "callers.conf") {
		t.Errorf("checking outside of it: %v: %s", err, out)
	}
}

// pingAsNobody runs another process of that user, and returns what it was told.
func pingAsNobody(t *testing.T, h *home) string {
	t.Helper()
	must(t, os.Chmod(programs, 0o755))
	cmd := exec.Command(program("neonauthctl"), "--socket", h.socket(), "ping")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(out)
}

// takeLastPlace connects once the daemon has seen the other process leave.
func takeLastPlace(t *testing.T, h *home) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		c := other(t, h)
		_, _ = c.conn.Write([]byte("PING\n")) // it may be turned away
		if line, _ := c.line(); line == "OK" {
			return
		}
	}
	t.Fatal("the place of a process that has ended stays taken")
}

// TestLimitsPerUserCountProcessesWhereUsersCannotBeTold: two processes of one
// user, one of which takes as many connections as it can get.
func TestLimitsPerUserCountProcessesWhereUsersCannotBeTold(t *testing.T) {
	t.Parallel()
	const share = 3
	for name, c := range map[string]struct {
		namespaces func(*exec.Cmd)
		told, log  string // to the other process when the share is taken; by the daemon
	}{
		"the host's": {func(*exec.Cmd) {}, "busy", ""},
		"its own":    {unshared(0), "", "limits per user count their processes"},
		// Without the host's process ids either, all are one again, and that is said.
		"its own, processes too": {unshared(syscall.CLONE_NEWPID), "busy", "cannot be told apart at all"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			needNamespaces(t)
			h := newHome(t)
			h.configure(t, settings{limits: "connections = 10\nconnections_per_uid = 3", tables: []string{alone}})
			i := launchWith(t, h, c.namespaces)
			i.awaitState(t, "READY=1")
			openToAll(t, h)
			for range share - 1 {
				other(t, h).expect(t, "PING", "OK")
			}
			if got := pingAsNobody(t, h); strings.Contains(got, "busy") {
				t.Errorf("with a place left in the share, the other process got %q", got)
			}
			takeLastPlace(t, h)
			matches(t, other(t, h).reply(t), "ERR busy .*")
			if got := pingAsNobody(t, h); strings.Contains(got, "busy") != (c.told == "busy") {
				t.Errorf("with the share taken, the other process got %q", got)
			}
			call(t, h.socket()).expect(t, "PING", "OK") // root is a user of his own everywhere
			if text := i.stderr.String(); !strings.Contains(text, c.log) {
				t.Errorf("the log lacks %q:\n%s", c.log, text)
			}
			if text := i.stderr.String(); c.log == "" && strings.Contains(text, "told apart") {
				t.Errorf("the log warns of nothing:\n%s", text)
			}
		})
	}
}
