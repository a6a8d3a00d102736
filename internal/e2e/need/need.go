// Package need asks for what a test cannot do without.
//
// On the machine of somebody who develops, a test whose tools are missing is
// skipped, and says what is missing. In CI, where the variable CI is "true" as
// every CI sets it, a missing tool fails the test: there a skipped test is one
// that nobody notices. .ci/run installs the tools.
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

// inCI reports whether a missing tool is a fault.
func inCI() bool { return os.Getenv("CI") == "true" }

// missing ends the test.
func missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if inCI() {
		t.Fatalf(format+"; have .ci/run install it: in CI nothing is skipped for it", args...)
	}
	t.Skipf(format, args...)
}

// Program returns the path of a program that a Debian package brings. Programs
// for administrators are found too, which not everybody has on the PATH.
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

// Working needs a command to succeed: that of a program in a version that is
// new enough, say, or with a module that a package brings. what names it.
func Working(t testing.TB, what string, command ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), trialTimeout)
	defer cancel()
	if out, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput(); err != nil {
		missing(t, "%s is needed: %v\n%s", what, err, out)
	}
}

// fetchTimeout is how long a target of the Makefile may take that fetches something.
const fetchTimeout = 5 * time.Minute

// Made needs what a target of the Makefile in dir fetches, such as packages of
// npm, and returns what the target prints: where that is.
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

// AnyOf returns the first of some programs with which a command succeeds; none
// is as Working has it.
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

// Root needs the test to run as root, because of what it does.
func Root(t testing.TB, because string) {
	t.Helper()
	Host(t, os.Geteuid() == 0, "only root can do this: "+because)
}

// Host needs something that no package brings, such as a kind of kernel, or a
// build without the race detector: where it is not met, the test is skipped in
// CI too.
func Host(t testing.TB, met bool, what string) {
	t.Helper()
	if !met {
		t.Skip(what)
	}
}

// Time needs a run that may take long: with -short the test is skipped.
func Time(t testing.TB, because string) {
	t.Helper()
	if testing.Short() {
		t.Skip("takes long: " + because)
	}
}

// Wish needs a variable to be set: such a test measures, or needs a program
// that CI does not have, and runs only for those who ask for it.
func Wish(t testing.TB, variable, what string) {
	t.Helper()
	if os.Getenv(variable) == "" {
		t.Skipf("set %s=1 to %s", variable, what)
	}
}
