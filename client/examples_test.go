package client_test

import (
	"bufio"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/internal/e2e/need"
)

// TestExampleServices starts the services of ../examples as a reader would and
// asks them with a good token, a bad one, none, and without a daemon.
func TestExampleServices(t *testing.T) {
	need.Time(t, "it starts the real daemon")
	program := buildDaemon(t)
	for name, example := range map[string]struct {
		prepare func(t *testing.T) *exec.Cmd
	}{
		"go":     {goService},
		"node":   {nodeService},
		"python": {pythonService},
	} {
		t.Run(name, func(t *testing.T) {
			if language, ok := languages()[name]; ok {
				need.Working(t, language.what, language.present...)
			}
			s := newSystem(t, program)
			if err := s.reset(); err != nil {
				t.Fatal(err)
			}
			cmd := example.prepare(t)
			cmd.Env = append(os.Environ(), append(cmd.Env, "PORT=0", client.SocketVariable+"="+s.path("s"))...)
			base := startService(t, cmd)
			checkService(t, s, base)
		})
	}
}

// goService builds the example, so that the end of the test stops the program
// itself and not only "go run".
func goService(t *testing.T) *exec.Cmd {
	t.Helper()
	service := filepath.Join(t.TempDir(), "service")
	build := exec.Command("go", "build", "-o", service, "../examples/go")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the example: %v\n%s", err, out)
	}
	return exec.Command(service)
}

// nodeService runs the example with the package installed.
func nodeService(t *testing.T) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("node", "service.js")
	cmd.Dir = nodeExample(t)
	return cmd
}

// nodeExample returns a folder with the example and the package, as npm would
// install it.
func nodeExample(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../examples/node")); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "node_modules")); err != nil { // left by somebody who has tried the example there
		t.Fatal(err)
	}
	library, err := filepath.Abs("node")
	if err == nil {
		err = errors.Join(os.Mkdir(filepath.Join(dir, "node_modules"), 0o700),
			os.Symlink(library, filepath.Join(dir, "node_modules", "neonauthd")))
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func pythonService(t *testing.T) *exec.Cmd {
	t.Helper()
	library, err := filepath.Abs("python/src")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("python3", "service.py")
	cmd.Dir = "../examples/python"
	cmd.Env = []string{"PYTHONPATH=" + library, "PYTHONDONTWRITEBYTECODE=1"}
	return cmd
}

// startService returns the address that the service prints once it listens.
func startService(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the service does not start: %v", err)
	}
	_, base, found := strings.Cut(strings.TrimSpace(line), "listening on ")
	if !found {
		t.Fatalf("the service says %q", line)
	}
	return base
}

func checkService(t *testing.T, s *system, base string) {
	t.Helper()
	for _, who := range []string{"ada", "mallory forged"} {
		if _, err := s.do("mint " + who); err != nil {
			t.Fatal(err)
		}
	}
	ada, mallory := s.people["ada"], s.people["mallory"]
	for _, c := range []struct {
		path, token string
		status      int
		body        string
	}{
		{"/", "", 200, "everybody"},
		{"/account", "", 401, ""},
		{"/account", ada.token, 200, fmt.Sprintf("%q", ada.subject)},
		{"/account", mallory.token, 401, ""},
	} {
		expectService(t, base+c.path, c.token, c.status, c.body)
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	expectService(t, base+"/account", ada.token, 503, "")
}

func expectService(t *testing.T, url, token string, status int, body string) {
	t.Helper()
	var resp *http.Response
	var text string
	for begun := time.Now(); time.Since(begun) < systemTimeout; {
		if resp, text = get(t, url, token); settled(resp.StatusCode, status) {
			break
		}
	}
	if resp.StatusCode != status || !strings.Contains(text, body) {
		t.Errorf("%s answers %d %q, expected %d with %q", url, resp.StatusCode, text, status, body)
	}
}

// TestExamplesTestThemselves runs the tests of the examples, which show how an
// application is tested without a daemon. Go's runs with ours.
func TestExamplesTestThemselves(t *testing.T) {
	need.Time(t, "it starts Node and Python")
	for name, test := range map[string]struct {
		dir     string
		command []string
	}{
		"node":   {nodeExample(t), []string{"node", "--test", "--test-reporter=tap"}},
		"python": {"../examples/python", []string{"python3", "-m", "unittest", "test_service"}},
	} {
		t.Run(name, func(t *testing.T) {
			l := languages()[name]
			need.Working(t, l.what, l.present...)
			l.dir = test.dir
			// The example finds the library where its README says, and no daemon.
			l.test(t, []string{"PYTHONPATH=" + absolute(t, "python/src"), client.SocketVariable + "=/nonexistent/socket"}, test.command...)
		})
	}
}

// TestExampleShell asks with a shell and socat alone.
func TestExampleShell(t *testing.T) {
	need.Time(t, "it starts the real daemon")
	need.Program(t, "socat", "socat")
	s := newSystem(t, buildDaemon(t))
	for _, line := range []string{"reset", "mint ada", "mint mallory forged"} {
		if _, err := s.do(line); err != nil {
			t.Fatal(err)
		}
	}
	ask := func(who string, want int, says string) {
		t.Helper()
		cmd := exec.Command("sh", "../examples/shell/ask.sh")
		cmd.Env = append(os.Environ(), client.SocketVariable+"="+s.path("s"))
		cmd.Stdin = strings.NewReader(s.people[who].token)
		out, err := cmd.Output()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		if got := cmd.ProcessState.ExitCode(); got != want || !strings.HasPrefix(string(out), says) {
			t.Errorf("about %s it says %.60q and exits with %d, expected %q and %d", who, out, got, says, want)
		}
	}
	ask("ada", 0, "OK level=claims ")
	ask("mallory", 1, "NO bad-signature")
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	ask("ada", 3, "")
}
