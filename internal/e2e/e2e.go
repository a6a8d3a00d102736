// Package e2e starts the programs of this project as they are released, with
// their environment: a folder with configuration, sockets and state, a stand-in
// for the upstream, and a service manager that listens. It is the harness of
// every test that starts a program. README.md lists these tests and what each
// needs from the machine; package need checks that.
package e2e

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"
)

// Timeout bounds every wait of these tests. An idle machine needs a fraction
// of it.
const Timeout = time.Minute

// programsVariable names the environment variable with the folder of the
// programs under test, so that processes which a test starts find them too.
const programsVariable = "NEONAUTHD_E2E_PROGRAMS"

// Main builds programs (folders of cmd) as they are released, with the race
// detector if the tests have it. Then it runs the tests of m and removes the
// programs. TestMain calls it; it does not return.
func Main(m *testing.M, programs ...string) {
	flag.Parse()
	// Many of these tests wait for a time limit to pass. They can wait at the
	// same time, however few processors there are.
	if n := flag.Lookup("test.parallel"); n.Value.String() == fmt.Sprint(runtime.GOMAXPROCS(0)) {
		_ = n.Value.Set("6")
	}
	code, err := buildAndRun(m, programs)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func buildAndRun(m *testing.M, programs []string) (code int, err error) {
	if os.Getenv(programsVariable) != "" { // one of the tests has started this binary again
		return m.Run(), nil
	}
	dir, err := os.MkdirTemp("", "neonauthd-bin-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	for _, name := range programs {
		if err := build(dir, name); err != nil {
			return 1, err
		}
	}
	if err := os.Setenv(programsVariable, dir); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

func build(dir, name string, flags ...string) error {
	args := append([]string{"build", "-o", filepath.Join(dir, name)}, flags...)
	if RaceEnabled() {
		args = append(args, "-race")
	}
	cmd := exec.Command("go", append(args, "github.com/neonauthd/neonauthd/cmd/"+name)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", name, err, out)
	}
	return nil
}

// Build builds one program for one test and returns its path. Use it if Main
// would delay all other tests, or if go build needs flags.
func Build(t testing.TB, name string, flags ...string) string {
	t.Helper()
	dir := t.TempDir()
	if err := build(dir, name, flags...); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, name)
}

// RaceEnabled reports whether the tests themselves run under the race detector.
func RaceEnabled() bool {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return false
	}
	for _, s := range info.Settings {
		if s.Key == "-race" {
			return s.Value == "true"
		}
	}
	return false
}

// Program returns the path of a program that Main has built.
func Program(name string) string { return filepath.Join(os.Getenv(programsVariable), name) }

// Environment returns our environment without the variables that would change a
// program's behaviour, and with further variables.
func Environment(extra ...string) []string {
	env := []string{"GORACE=halt_on_error=0 exitcode=66"}
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		switch name {
		case "STATE_DIRECTORY", "CREDENTIALS_DIRECTORY", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "JOURNAL_STREAM",
			"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "NEONAUTHD_SOCKET", "NEONAUTHD_ADMIN_SOCKET", "GORACE",
			"HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy":
			continue
		}
		env = append(env, pair)
	}
	return append(env, extra...)
}

// Until waits until something holds. what says what it is, after "until".
func Until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for timeout := time.After(Timeout); !holds(); {
		select {
		case <-ticker.C:
		case <-timeout:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// Must ends the test if err is not nil.
func Must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Heap returns how many bytes of the heap are in use.
func Heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
