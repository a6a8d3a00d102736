package main_test

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

// patience bounds every wait of these tests: for what has to happen at once on
// an idle machine, and may take a while on a busy one.
const patience = 30 * time.Second

// programs is the folder of the binaries under test, built once by TestMain.
var programs string

// TestMain builds the programs as they are shipped, with the race detector if
// the tests have it, and removes them at the end.
func TestMain(m *testing.M) {
	flag.Parse()
	// Many of these tests wait for a time limit of the daemon to pass: they may
	// wait together, however few processors there are.
	if n := flag.Lookup("test.parallel"); n.Value.String() == fmt.Sprint(runtime.GOMAXPROCS(0)) {
		_ = n.Value.Set("6")
	}
	code, err := buildAndRun(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func buildAndRun(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "neonauthd-bin-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	for _, name := range []string{"neonauthd", "neonauthctl"} {
		args := []string{"build", "-o", filepath.Join(dir, name)}
		if raceEnabled() {
			args = append(args, "-race")
		}
		build := exec.Command("go", append(args, "../"+name)...)
		if out, err := build.CombinedOutput(); err != nil {
			return 1, fmt.Errorf("build %s: %w\n%s", name, err, out)
		}
	}
	programs = dir
	return m.Run(), nil
}

// raceEnabled reports whether the tests themselves run under the race detector.
func raceEnabled() bool {
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

// program is the path of a binary under test.
func program(name string) string { return filepath.Join(programs, name) }

// cleanEnvironment is ours without what would change a daemon's behaviour.
func cleanEnvironment(extra ...string) []string {
	env := []string{"GORACE=halt_on_error=0 exitcode=66"}
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		switch name {
		case "STATE_DIRECTORY", "CREDENTIALS_DIRECTORY", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "JOURNAL_STREAM", "GORACE":
			continue
		}
		env = append(env, pair)
	}
	return append(env, extra...)
}
