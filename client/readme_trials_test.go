package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/internal/e2e/need"
)

// The commands by which the READMEs install the packages.
const (
	npmInstall = "npm install /path/to/neonauthd/client/node"
	pipInstall = "pip install /path/to/neonauthd/client/python"
)

// reader stands for somebody with a README, a terminal and the output of the demo.
type reader struct {
	system *system
	blocks []block
	dir    string   // where the programs are pasted, with the package installed
	env    []string // of the terminal
	serve  []string // what a server finds there besides
}

// newReader returns a reader. ada's token is valid, and past's token has expired.
func newReader(t *testing.T, program, file string) *reader {
	t.Helper()
	r := &reader{dir: t.TempDir()}
	name := strings.TrimSuffix(file, "/README.md")
	if language, ok := languages()[name]; ok {
		need.Working(t, language.what, language.present...)
	}
	r.system = newSystem(t, program)
	for _, line := range []string{"reset", "mint ada", "mint past expired"} {
		if _, err := r.system.do(line); err != nil {
			t.Fatal(err)
		}
	}
	root, tools := absolute(t, ".."), absolute(t, "testdata/readme")
	r.env = append(os.Environ(), client.SocketVariable+"="+r.system.path("s"), "DEMO="+r.dir, "PATH="+tools+":"+os.Getenv("PATH"))
	switch name {
	case "node":
		r.serve = []string{"NODE_OPTIONS=--import=" + filepath.Join(tools, "port.mjs")}
		r.installNode(t, root)
	case "python":
		source := filepath.Join(root, "client/python/src")
		r.env = append(r.env, "PYTHONPATH="+source, "PYTHONDONTWRITEBYTECODE=1")
		r.serve = []string{"PYTHONPATH=" + tools + ":" + source}
	}
	return r
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// installNode does what the README says. Without npm it does what npm would do.
func (r *reader) installNode(t *testing.T, root string) {
	t.Helper()
	if _, err := exec.LookPath("npm"); err == nil {
		command := strings.Replace(npmInstall, "/path/to/neonauthd", root, 1)
		if out, err := r.run(t, command, "npm_config_offline=true", "npm_config_update_notifier=false"); err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
		return
	}
	modules := filepath.Join(r.dir, "node_modules")
	if err := errors.Join(os.Mkdir(modules, 0o700), os.Symlink(filepath.Join(root, "client/node"), filepath.Join(modules, "neonauthd"))); err != nil {
		t.Fatal(err)
	}
}

// run runs a line of the terminal.
func (r *reader) run(t *testing.T, command string, env ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*systemTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", command)
	cmd.WaitDelay = time.Second // for processes that the shell has started
	cmd.Dir, cmd.Env = r.dir, append(r.env[:len(r.env):len(r.env)], env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// paste writes a program and the token of this user, in the file in which the demo puts
// its own token.
func (r *reader) paste(t *testing.T, b block, who string) {
	t.Helper()
	token := r.system.people[who].token
	err := errors.Join(os.WriteFile(filepath.Join(r.dir, b.name()), []byte(b.text), 0o600),
		os.WriteFile(filepath.Join(r.dir, "valid.jwt"), []byte(token), 0o600))
	if err != nil {
		t.Fatal(err)
	}
}

// without runs something while there is no daemon.
func (r *reader) without(t *testing.T, do func()) {
	t.Helper()
	if err := r.system.stop(); err != nil {
		t.Fatal(err)
	}
	do()
	if err := r.system.start(); err != nil {
		t.Fatal(err)
	}
}

// shown is the trial of a block that is not run here; reason says why.
func shown(reason string) trial {
	return func(t *testing.T, _ *reader, _ block) { t.Log(reason) }
}

// elsewhere is the trial of a block that another test runs.
func elsewhere(file, words string) trial {
	return func(t *testing.T, _ *reader, b block) {
		text, err := os.ReadFile(file)
		if err != nil || !strings.Contains(string(text), words) {
			t.Errorf("nothing runs the block at line %d: %s does not say %q (error: %v)", b.line, file, words, err)
		}
	}
}

// asks is the trial of a program that asks about $TOKEN. It compares what the program
// prints at each outcome.
func asks(accepted, rejected, unknown string) trial {
	return func(t *testing.T, r *reader, b block) {
		expect := func(who, says string) {
			t.Helper()
			r.paste(t, b, who)
			says = strings.ReplaceAll(says, "SUBJECT", r.system.people[who].subject)
			// The program has a time limit of its own, which a busy machine can exceed.
			late := regexp.MustCompile("no answer within|please come back later")
			for begun := time.Now(); ; {
				out, err := r.run(t, b.command())
				if err == nil && strings.Contains(out, says) {
					return
				}
				if err != nil || !late.MatchString(out) || time.Since(begun) > systemTimeout {
					t.Fatalf("about %s it says %q (error: %v), expected %q", who, out, err, says)
				}
			}
		}
		expect("ada", accepted)
		expect("past", rejected)
		r.without(t, func() { expect("ada", unknown) })
	}
}

// protected asks a route with each kind of token, and without a daemon.
func (r *reader) protected(t *testing.T, url, challenge string) {
	t.Helper()
	ada, past := r.system.people["ada"], r.system.people["past"]
	expect := func(token string, status int, says, header, value string) {
		t.Helper()
		var resp *http.Response
		var body string
		for begun := time.Now(); time.Since(begun) < systemTimeout; {
			resp, body = get(t, url, token)
			if settled(resp.StatusCode, status) {
				break
			}
		}
		if resp.StatusCode != status || !strings.Contains(body, says) || !regexp.MustCompile("^"+value).MatchString(resp.Header.Get(header)) {
			t.Errorf("it answers %d, %v, %q; expected %d, %s: %s, %q", resp.StatusCode, resp.Header, body, status, header, value, says)
		}
		if status != http.StatusUnauthorized && resp.Header.Get("WWW-Authenticate") != "" {
			t.Errorf("%d has the challenge %q", status, resp.Header.Get("WWW-Authenticate"))
		}
	}
	expect("", 401, "", "WWW-Authenticate", "Bearer$")
	expect(ada.token, 200, ada.subject, "WWW-Authenticate", "$")
	expect(past.token, 401, "", "WWW-Authenticate", challenge)
	r.without(t, func() { expect(ada.token, 503, "", "Retry-After", "[1-9][0-9]*$") })
	expect(ada.token, 200, ada.subject, "WWW-Authenticate", "$")
}

// settled reports whether to stop waiting for the wanted status. A 503 is not final,
// because a busy machine can exceed the client's time limit. If a 503 is wanted, no other
// status is final, because kept answers are used until the client has noticed that the
// daemon is gone.
func settled(status, wanted int) bool {
	return status == wanted || status != http.StatusServiceUnavailable && wanted != http.StatusServiceUnavailable
}

func get(t *testing.T, url, token string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}
