package neonauthd_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/internal/e2e/need"
)

// unshared returns a function that runs a command in a user namespace that maps only our
// own user, as PrivateUsers=yes does, and in further namespaces.
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

// TestCallerRulesAreRefusedWhereUsersCannotBeTold: in a user namespace of its own the
// daemon would take all callers for one user.
func TestCallerRulesAreRefusedWhereUsersCannotBeTold(t *testing.T) {
	t.Parallel()
	needNamespaces(t)
	c := e2e.NewUpstream(t, standin.Options{})
	h := e2e.NewFolder(t)
	h.Configure(t, e2e.Settings{Tables: []string{c.Project(t, h, standin.Neon), "[[caller]]\nuid = 0\n"}})
	run := func(change func(*exec.Cmd), extra ...string) (string, error) {
		cmd := exec.Command(e2e.Program("neonauthd"), append([]string{"--config", h.Config()}, extra...)...)
		cmd.Env = e2e.Environment()
		change(cmd)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	for name, extra := range map[string][]string{"checking": {"--check"}, "serving": nil} {
		out, err := run(unshared(0), extra...)
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 78 || !strings.Contains(out, "PrivateUsers=no") {
			t.Errorf("%s: %v: %s", name, err, out)
		}
	}
	// An operator who runs --check is not in the unit's namespace.
	if out, err := run(func(*exec.Cmd) {}, "--check"); err != nil || !strings.Contains(out, "PrivateUsers=yes") {
		t.Errorf("checking outside of it: %v: %s", err, out)
	}
}

// pingAsNobody runs a new process of user nobody, and returns its output.
func pingAsNobody(t *testing.T, h *e2e.Folder) string {
	t.Helper()
	e2e.Must(t, os.Chmod(filepath.Dir(e2e.Program("neonauthctl")), 0o755))
	cmd := exec.Command(e2e.Program("neonauthctl"), "--socket", h.Socket(), "ping")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(out)
}

// takeLastPlace connects after the daemon has noticed that the other process has left.
func takeLastPlace(t *testing.T, h *e2e.Folder) {
	t.Helper()
	for deadline := time.Now().Add(e2e.Timeout); time.Now().Before(deadline); {
		c := other(t, h)
		_, _ = c.Conn.Write([]byte("PING\n")) // the connection may be refused
		if line, _ := c.Line(); line == "OK" {
			return
		}
	}
	t.Fatal("the place of a process that has ended stays taken")
}

// TestLimitsPerUserCountProcessesWhereUsersCannotBeTold: one user has two processes, and
// one of them takes as many connections as it can get.
func TestLimitsPerUserCountProcessesWhereUsersCannotBeTold(t *testing.T) {
	t.Parallel()
	const share = 3
	for name, c := range map[string]struct {
		namespaces func(*exec.Cmd)
		told, log  string // told: to the other process when the share is used up; log: by the daemon
	}{
		"the host's": {func(*exec.Cmd) {}, "busy", ""},
		"its own":    {unshared(0), "", "limits per user count their processes"},
		// Without the host's process ids too, all callers count as one, and the daemon
		// logs this.
		"its own, processes too": {unshared(syscall.CLONE_NEWPID), "busy", "cannot be told apart at all"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			needNamespaces(t)
			h := e2e.NewFolder(t)
			h.Configure(t, e2e.Settings{Limits: "connections = 10\nconnections_per_uid = 3", Tables: []string{alone}})
			i := h.LaunchWith(t, c.namespaces)
			i.Await(t, "READY=1")
			openToAll(t, h)
			for range share - 1 {
				other(t, h).Expect(t, "PING", "OK")
			}
			if got := pingAsNobody(t, h); strings.Contains(got, "busy") {
				t.Errorf("with a place left in the share, the other process got %q", got)
			}
			takeLastPlace(t, h)
			e2e.Matches(t, other(t, h).Reply(t), "ERR busy .*")
			if got := pingAsNobody(t, h); strings.Contains(got, "busy") != (c.told == "busy") {
				t.Errorf("with the share taken, the other process got %q", got)
			}
			e2e.Call(t, h.Socket()).Expect(t, "PING", "OK") // root is always recognised as a user of its own
			if text := i.Stderr.String(); !strings.Contains(text, c.log) {
				t.Errorf("the log lacks %q:\n%s", c.log, text)
			}
			if text := i.Stderr.String(); c.log == "" && strings.Contains(text, "told apart") {
				t.Errorf("the log warns of nothing:\n%s", text)
			}
		})
	}
}
