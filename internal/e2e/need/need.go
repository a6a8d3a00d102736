// Package need checks that the machine has what a test needs.
//
// On a developer's machine, a test whose tools are missing is skipped and says
// what is missing. In CI, where the variable CI is "true", a missing tool fails
// the test, because nobody would notice a skipped test there. .ci/run installs
// the tools.
package need

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// inCI reports whether a missing tool fails the test.
func inCI() bool { return os.Getenv("CI") == "true" }

// missing skips the test or, in CI, fails it.
func missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if inCI() {
		t.Fatalf(format+"; have .ci/run install it: in CI nothing is skipped for it", args...)
	}
	t.Skipf(format, args...)
}

// Folder makes a temporary folder that nobody else can write to, as our programs require of the
// folder of a configuration. The mode of t.TempDir follows the umask: with 002, which many systems
// give to users, its group may write to it.
func Folder(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Program returns the path of a program in a Debian package. It also looks in
// the folders of administrators' programs, which not every PATH contains.
func Program(t testing.TB, name, debian string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, dir := range []string{"/usr/sbin", "/sbin"} {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0 {
			return path
		}
	}
	missing(t, "%s is not installed (Debian package %s)", name, debian)
	return ""
}

// trialTimeout is how long a trial of Working may take.
const trialTimeout = 30 * time.Second

// Working requires that a command succeeds: for example that a program is new
// enough, or that a module is installed. what names the requirement.
func Working(t testing.TB, what string, command ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), trialTimeout)
	defer cancel()
	if out, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput(); err != nil {
		missing(t, "%s is needed: %v\n%s", what, err, out)
	}
}

// fetchTimeout is how long a target of the Makefile may take that downloads
// something.
const fetchTimeout = 5 * time.Minute

// Made requires what a target of the Makefile in dir downloads, such as
// packages of npm. It returns what the target prints: the folder.
func Made(t testing.TB, dir, target string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "make", "--silent", "--no-print-directory", target)
	cmd.Dir = dir
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		missing(t, "what `make %s` fetches is needed: %v\n%s", target, err, said.String())
	}
	return strings.TrimSpace(string(out))
}

// AnyOf returns the first of some programs with which a command succeeds. If
// there is none, it does as Working does.
func AnyOf(t testing.TB, what string, programs []string, args ...string) string {
	t.Helper()
	last := len(programs) - 1
	for _, program := range programs[:last] {
		ctx, cancel := context.WithTimeout(context.Background(), trialTimeout)
		err := exec.CommandContext(ctx, program, args...).Run()
		cancel()
		if err == nil {
			return program
		}
	}
	Working(t, what, append([]string{programs[last]}, args...)...)
	return programs[last]
}

// Root requires that the test runs as root.
func Root(t testing.TB, because string) {
	t.Helper()
	Host(t, os.Geteuid() == 0, "only root can do this: "+because)
}

// Host requires something that no package provides, such as a kernel feature or
// a build without the race detector. If it is missing, the test is skipped, in
// CI too.
func Host(t testing.TB, met bool, what string) {
	t.Helper()
	if !met {
		t.Skip(what)
	}
}

// Time marks a test that takes long: with -short it is skipped.
func Time(t testing.TB, because string) {
	t.Helper()
	if testing.Short() {
		t.Skip("takes long: " + because)
	}
}

// Wish requires that a variable is set: the test measures something, or needs a
// program that CI does not have, and runs only on request.
func Wish(t testing.TB, variable, what string) {
	t.Helper()
	if os.Getenv(variable) == "" {
		t.Skipf("set %s=1 to %s", variable, what)
	}
}
