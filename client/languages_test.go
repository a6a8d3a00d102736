package client_test

import (
	"context"
	"os"
	"os/exec"
	"regexp"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/internal/e2e/need"
)

// language is a client that has tests of its own.
type language struct {
	what    string   // is needed
	present []string // succeeds where the interpreter is there and new enough
	dir     string
	command []string       // runs in dir with the stage of testdata/behaviours at hand
	passed  *regexp.Regexp // what its output has to say: a run of nothing passes too
}

func languages() map[string]language {
	return map[string]language{
		"node": {
			what:    "Node 20",
			present: []string{"node", "-e", "process.exit(process.versions.node.split('.')[0] >= 20 ? 0 : 1)"},
			dir:     "node",
			command: []string{"sh", "-c", "exec node --test --test-reporter=tap test/*.test.mjs"},
			passed:  regexp.MustCompile(`(?m)^# pass [1-9][0-9]*$[\s\S]*^# skipped 0$`),
		},
		"python": {
			what:    "Python 3.11",
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
	need.Time(t, "it starts the real daemon many times")
	program := buildDaemon(t)
	for name, language := range languages() {
		t.Run(name, func(t *testing.T) {
			need.Working(t, language.what, language.present...)
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
