package main

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/internal/e2e/need"
)

// patience bounds every wait of these tests: for what has to happen at once on
// an idle machine, and may take a while on a busy one.
const patience = 30 * time.Second

// programsVariable names the folder of the programs under test, for the tests
// of this run.
const programsVariable = "NEONAUTH_HTTP_TEST_PROGRAMS"

// TestMain builds the programs as they are shipped, with the race detector if
// the tests have it.
func TestMain(m *testing.M) {
	flag.Parse()
	if path := os.Getenv(bareVariable); path != "" {
		fmt.Fprintln(os.Stderr, serveBare(path))
		os.Exit(1)
	}
	code, err := buildAndRun(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func buildAndRun(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "neonauth-http-bin-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	for _, name := range []string{"neonauthd", "neonauth-http"} {
		args := []string{"build", "-o", filepath.Join(dir, name)}
		if raceEnabled() {
			args = append(args, "-race")
		}
		if out, err := exec.Command("go", append(args, "../"+name)...).CombinedOutput(); err != nil {
			return 1, fmt.Errorf("build %s: %w\n%s", name, err, out)
		}
	}
	if err := os.Setenv(programsVariable, dir); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

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

// built is the path of a program under test.
func built(name string) string { return filepath.Join(os.Getenv(programsVariable), name) }

// installed finds a web server.
func installed(t testing.TB, name string) string {
	t.Helper()
	debian := map[string]string{"nginx": "nginx-light"}
	return need.Program(t, name, cmp.Or(debian[name], name))
}

// output is what a process wrote.
type output struct {
	mu   sync.Mutex
	text strings.Builder
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
