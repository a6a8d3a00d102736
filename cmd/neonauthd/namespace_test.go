package main_test

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/neonauthd/neonauthd/daemon/standin"
)

// TestCallerRulesAreRefusedWhereUsersCannotBeTold: in a user namespace of its
// own the daemon would take every caller for one.
func TestCallerRulesAreRefusedWhereUsersCannotBeTold(t *testing.T) {
	t.Parallel()
	c := newCloud(t, standin.Options{})
	h := newHome(t)
	h.configure(t, settings{tables: []string{c.project(t, h, standin.Neon), "[[caller]]\nuid = 0\n"}})
	cmd := exec.Command(program("neonauthd"), "--config", h.config(), "--check")
	cmd.Env = cleanEnvironment()
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		t.Skipf("no user namespaces here: %v", err)
	}
	if exit.ExitCode() != 78 || !strings.Contains(string(out), "user namespace") {
		t.Errorf("exit %d: %s", exit.ExitCode(), out)
	}
}
