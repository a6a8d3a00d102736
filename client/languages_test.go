package client_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"regexp"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/internal/e2e/need"
)

// language is a client with its own tests in another language.
type language struct {
	what    string   // what the tests need
	present []string // succeeds if the interpreter is there and new enough
	dir     string
	command []string       // runs in dir with the system of testdata/behaviours at hand
	passed  *regexp.Regexp // what its output has to match, because a run without tests succeeds too
	failed  *regexp.Regexp // a failure in the output, which may be far from the end
}

func languages() map[string]language {
	all := map[string]language{
		"node": {
			what:    "Node 20",
			present: []string{"node", "-e", "process.exit(process.versions.node.split('.')[0] >= 20 ? 0 : 1)"},
			dir:     "node",
			command: []string{"sh", "-c", "exec node --test --test-reporter=tap test/*.test.mjs"},
			passed:  regexp.MustCompile(`(?m)^# pass [1-9][0-9]*$[\s\S]*^# skipped 0$`),
			failed:  regexp.MustCompile(`(?m)^not ok [\s\S]*?^ +\.\.\.$`),
		},
		"python": pythonOf("python3"),
	}
	// The system's Python may be another release, and some releases have faults in what
	// we use.
	if path, err := exec.LookPath("python3"); err == nil && path != systemPython {
		if _, err := os.Stat(systemPython); err == nil {
			all["python of the system"] = pythonOf(systemPython)
		}
	}
	return all
}

// systemPython is the Python of a distribution.
const systemPython = "/usr/bin/python3"

func pythonOf(interpreter string) language {
	return language{
		what:    "Python 3.11",
		present: []string{interpreter, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"},
		dir:     "python",
		command: []string{interpreter, "-W", "error::ResourceWarning", "-m", "unittest", "discover", "-t", ".", "tests"},
		passed:  regexp.MustCompile(`(?m)^Ran [1-9][0-9]* tests?[\s\S]*^OK$`),
		failed:  regexp.MustCompile(`(?m)^(FAIL|ERROR): [\s\S]*?\n\n`),
	}
}

// TestLanguages runs the tests of the clients in other languages, those
// against the real daemon included.
func TestLanguages(t *testing.T) {
	need.Time(t, "it starts the real daemon many times")
	need.Program(t, "redis-server", "redis-server") // the engine of the fleet of the system
	program := buildDaemon(t)
	for name, language := range languages() {
		t.Run(name, func(t *testing.T) {
			need.Working(t, language.what, language.present...)
			s := newSystem(t, program)
			path, err := s.serve(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			language.test(t, []string{"NEONAUTHD_SYSTEM=" + path, client.SocketVariable + "=" + s.path("s")}, language.command...)
		})
	}
}

// test runs tests of the language.
func (l language) test(t *testing.T, env []string, command ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Dir = l.dir
	cmd.Env = append(append(os.Environ(), "PYTHONPATH=src", "PYTHONDONTWRITEBYTECODE=1"), env...)
	out, err := cmd.CombinedOutput()
	if err != nil || !l.passed.Match(out) {
		t.Errorf("%v\n%s\n%s", err, bytes.Join(l.failed.FindAll(out, 10), []byte("\n")), out[max(0, len(out)-20000):])
	}
}

// pythonWithFrameworks is what a Python must be able to import for the tests of our
// guards in the frameworks. Debian's packages are for Debian's Python only.
const pythonWithFrameworks = "import sys, asgiref, corsheaders, django, fastapi, flask, flask_cors, httpx, starlette, uvicorn, websockets; " +
	"sys.exit(sys.version_info < (3, 11))"

// needPython returns a Python that has the frameworks.
func needPython(t *testing.T) string {
	t.Helper()
	return need.AnyOf(t, "Python 3.11 with Flask, Django, FastAPI and Starlette", []string{"python3", "/usr/bin/python3"}, "-c", pythonWithFrameworks)
}

// TestFrameworks runs the tests of our guards in the real frameworks.
func TestFrameworks(t *testing.T) {
	need.Time(t, "it starts the real frameworks")
	t.Run("node", func(t *testing.T) {
		node := languages()["node"]
		need.Working(t, node.what, node.present...)
		node.test(t, []string{"NEONAUTHD_FRAMEWORKS=" + need.Made(t, "..", "frameworks")},
			"sh", "-c", "exec node --test --test-reporter=tap test/frameworks/*.test.mjs")
	})
	t.Run("python", func(t *testing.T) {
		python := languages()["python"]
		python.test(t, nil, needPython(t), "-m", "unittest", "discover", "-t", ".", "-s", "tests/frameworks", "-p", "framework_*.py")
	})
}
