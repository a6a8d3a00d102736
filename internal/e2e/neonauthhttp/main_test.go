// Package neonauthhttp_test sends requests to neonauth-http as web servers do, and to web servers with its recipe as
// visitors do.
package neonauthhttp_test

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/internal/e2e/need"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(bareVariable); path != "" {
		fmt.Fprintln(os.Stderr, serveBare(path))
		os.Exit(1)
	}
	e2e.Main(m, "neonauthd", "neonauthctl", "neonauth-http")
}

// launch starts a program in a folder. It must end without an error, at the end of the test at the latest.
func launch(t testing.TB, dir, path string, env []string, args ...string) *e2e.Process {
	t.Helper()
	cmd := exec.Command(path, args...)
	cmd.Dir, cmd.Env = dir, e2e.Environment(env...)
	return e2e.Start(t, dir, cmd)
}

// launchForeign is launch for a program that is not part of this project, and may end with an error.
func launchForeign(t testing.TB, dir, path string, env []string, args ...string) *e2e.Process {
	t.Helper()
	p := launch(t, dir, path, env, args...)
	p.Rough = true
	return p
}

// installed finds a web server.
func installed(t testing.TB, name string) string {
	t.Helper()
	debian := map[string]string{"nginx": "nginx-light"}
	return need.Program(t, name, cmp.Or(debian[name], name))
}
