package client_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/client"
)

// TestReadmes runs the first program of each package's README: the one that
// people paste.
func TestReadmes(t *testing.T) {
	if testing.Short() {
		t.Skip("starts the real daemon")
	}
	program := buildDaemon(t)
	for name, readme := range map[string]struct {
		fence   string
		before  string // what the text leaves to the reader
		command []string
	}{
		"node":   {"```js\n", "const token = process.env.TOKEN\n", []string{"node", "--input-type=module", "-"}},
		"python": {"```python\n", "import os\ntoken = os.environ['TOKEN']\n", []string{"python3", "-"}},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := exec.LookPath(readme.command[0]); err != nil {
				t.Skipf("no %s here", readme.command[0])
			}
			text, err := os.ReadFile(filepath.Join(name, "README.md"))
			if err != nil {
				t.Fatal(err)
			}
			_, rest, found := strings.Cut(string(text), readme.fence)
			source, _, closed := strings.Cut(rest, "```")
			if !found || !closed {
				t.Fatal("the README begins with no program")
			}
			s := newStage(t, program)
			for _, line := range []string{"reset", "mint ada", "mint past expired"} {
				if _, err := s.do(line); err != nil {
					t.Fatal(err)
				}
			}
			run := func(who, says string) {
				t.Helper()
				cmd := exec.Command(readme.command[0], readme.command[1:]...)
				cmd.Dir = name
				cmd.Stdin = strings.NewReader(readme.before + source)
				cmd.Env = append(os.Environ(), "TOKEN="+s.people[who].token, client.SocketVariable+"="+s.path("s"), "PYTHONPATH=src", "PYTHONDONTWRITEBYTECODE=1")
				out, err := cmd.CombinedOutput()
				if err != nil || !strings.Contains(string(out), says) {
					t.Errorf("%v: it says %q, expected %q", err, out, says)
				}
			}
			run("ada", s.people["ada"].subject)
			run("past", "expired")
			if err := s.stop(); err != nil {
				t.Fatal(err)
			}
			run("ada", "not reachable")
		})
	}
}
