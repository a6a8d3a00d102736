package client_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/client"
)

// languages are the clients that have tests of their own. Each command runs in
// its folder with the stage of testdata/behaviours at hand.
func languages() map[string]struct {
	present []string // succeeds where the interpreter is there and new enough
	dir     string
	command []string
	passed  *regexp.Regexp // what its output has to say: a run of nothing passes too
} {
	return map[string]struct {
		present []string
		dir     string
		command []string
		passed  *regexp.Regexp
	}{
		"node": {
			present: []string{"node", "-e", "process.exit(process.versions.node.split('.')[0] >= 20 ? 0 : 1)"},
			dir:     "node",
			command: []string{"sh", "-c", "exec node --test --test-reporter=tap test/*.test.js"},
			passed:  regexp.MustCompile(`(?m)^# pass [1-9][0-9]*$[\s\S]*^# skipped 0$`),
		},
		"python": {
			present: []string{"python3", "-c", "import sys; sys.exit(sys.version_info < (3, 11))"},
			dir:     "python",
			command: []string{"python3", "-W", "error::ResourceWarning", "-m", "unittest", "discover", "-t", ".", "tests"},
			passed:  regexp.MustCompile(`(?m)^Ran [1-9][0-9]* tests[\s\S]*^OK$`),
		},
	}
}

// TestLanguages runs the tests of the clients in other languages, those
// against the real daemon included.
func TestLanguages(t *testing.T) {
	if testing.Short() {
		t.Skip("starts the real daemon many times")
	}
	program := buildDaemon(t)
	for name, language := range languages() {
		t.Run(name, func(t *testing.T) {
			var exit *exec.ExitError
			err := exec.Command(language.present[0], language.present[1:]...).Run()
			if errors.Is(err, exec.ErrNotFound) || errors.As(err, &exit) {
				t.Skipf("no %s here that is new enough", language.present[0])
			} else if err != nil {
				t.Fatal(err)
			}
			s := newStage(t, program)
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			path, err := s.serve(ctx)
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(ctx, language.command[0], language.command[1:]...)
			cmd.Dir = language.dir
			cmd.Env = append(os.Environ(), "NEONAUTHD_STAGE="+path, client.SocketVariable+"="+s.path("s"),
				"PYTHONPATH=src", "PYTHONDONTWRITEBYTECODE=1")
			out, err := cmd.CombinedOutput()
			if err != nil || !language.passed.Match(out) {
				t.Errorf("%v\n%s", err, out[max(0, len(out)-20000):])
			}
		})
	}
}
