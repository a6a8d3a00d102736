package neonauthd_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/internal/e2e"
)

// seeded is a demo, or a stand-in with a daemon, that runs during a test.
type seeded struct {
	t       *testing.T
	exports string
}

// runs starts a command of neonauthd that prints an export line, and calls act while the
// command runs.
func runs(t *testing.T, args []string, act func(s seeded)) {
	t.Helper()
	cmd := exec.Command(e2e.Program("neonauthd"), args...)
	cmd.Env = e2e.Environment()
	var stderr e2e.Output
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	e2e.Must(t, err)
	e2e.Must(t, cmd.Start())
	slow := time.AfterFunc(4*e2e.Timeout, func() { _ = cmd.Process.Kill() })
	defer slow.Stop()
	s := seeded{t: t}
	for in := bufio.NewScanner(stdout); s.exports == "" && in.Scan(); {
		if strings.HasPrefix(in.Text(), "export ") {
			s.exports = in.Text()
		}
	}
	if s.exports == "" {
		_ = cmd.Wait()
		t.Fatalf("%q: %s", args, stderr.String())
	}
	go func() { _, _ = io.Copy(io.Discard, stdout) }()
	act(s)
	e2e.Must(t, cmd.Process.Signal(syscall.SIGTERM))
	if err := cmd.Wait(); err != nil {
		t.Errorf("%q ends with %v\n%s", args, err, stderr.String())
	}
}

// token mints a token.
func (s seeded) token(args ...string) string {
	s.t.Helper()
	status, out := shell(s.t, s.exports+"\n"+e2e.Program("neonauthd")+" demo token "+strings.Join(args, " "))
	if status != 0 || strings.Count(out, ".") != 2 || strings.Count(out, "\n") != 1 {
		s.t.Fatalf("demo token %q: status %d\n%s", args, status, out)
	}
	return strings.TrimSpace(out)
}

// ask runs a command of neonauthctl with a token, and returns the exit status and the
// members of its output.
func (s seeded) ask(token string, args ...string) (status int, answer map[string]any) {
	s.t.Helper()
	cmd := exec.Command("sh", "-c", s.exports+"\nexec "+e2e.Program("neonauthctl")+" --json "+strings.Join(args, " "))
	cmd.Env, cmd.Stdin = e2e.Environment(), strings.NewReader(token)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	if err := json.Unmarshal(out, &answer); err != nil {
		s.t.Fatalf("neonauthctl %q: %v\n%s", args, err, out)
	}
	return cmd.ProcessState.ExitCode(), answer
}

// TestEachStartOfASeededDemoIsLikeTheOneBefore: it has the same project, keys, users and
// ids, and accepts tokens of the former start.
func TestEachStartOfASeededDemoIsLikeTheOneBefore(t *testing.T) {
	t.Parallel()
	dir := e2e.NewFolder(t).Path("run/demo")
	args := []string{"demo", "--dir", dir, "--seed", "seed-of-this-test"}
	var before map[string]any
	var exports, kept string
	for range 2 {
		runs(t, args, func(s seeded) {
			facts := map[string]any{}
			for _, name := range []string{"ada", "grace", "bob", "somebody.else", "who@example.com"} {
				token := s.token("--user", name)
				for _, verb := range []string{"verify", "profile"} {
					status, answer := s.ask(token, verb)
					if status != 0 {
						t.Fatalf("%s of %s: %d %v", verb, name, status, answer)
					}
					facts[verb+" "+name] = answer["subject"]
				}
			}
			if before == nil {
				before, exports, kept = facts, s.exports, s.token()
				return
			}
			for what, subject := range facts {
				if subject == nil || subject != before[what] {
					t.Errorf("%s: %v, and before %v", what, subject, before[what])
				}
			}
			if s.exports != exports {
				t.Errorf("%s\nand before\n%s", s.exports, exports)
			}
			if status, answer := s.ask(kept, "verify"); status != 0 {
				t.Errorf("a token of the start before: %d %v", status, answer)
			}
		})
	}
}

func TestDemoMintsEachKindOfToken(t *testing.T) {
	t.Parallel()
	dir := e2e.NewFolder(t).Path("run/demo")
	runs(t, []string{"demo", "--dir", dir}, func(s seeded) {
		for _, c := range []struct {
			args   []string
			status int
			reason any
		}{
			{nil, 0, nil},
			{[]string{"--dir", dir}, 0, nil},
			{[]string{"--expired"}, 1, "expired"},
			{[]string{"--forged"}, 1, "bad-signature"},
			{[]string{"--restricted"}, 1, "class-not-allowed"},
			{[]string{"--user", "rita"}, 1, "class-not-allowed"},
			{[]string{"--user", "grace", "--restricted"}, 1, "class-not-allowed"},
			{[]string{"--user", "grace", "--expired"}, 1, "expired"},
		} {
			if status, answer := s.ask(s.token(c.args...), "verify"); status != c.status || answer["reason"] != c.reason {
				t.Errorf("%q: %d %v", c.args, status, answer)
			}
		}
		for says, line := range map[string]string{
			"only one of --expired, --forged and --restricted": " demo token --expired --forged",
			"no demo runs there":    " demo token --dir /nonexistent",
			"--user must be a name": " demo token --user 'a b'",
		} {
			if status, out := shell(t, e2e.Program("neonauthd")+line); status == 0 || !strings.Contains(out, says) {
				t.Errorf("%s: %d %s", line, status, out)
			}
		}
	})
}

func TestStandinServesADaemonToo(t *testing.T) {
	t.Parallel()
	dir := e2e.NewFolder(t).Path("run/standin")
	runs(t, []string{"standin", "--daemon", "--listen", "127.0.0.1:0", "--dir", dir, "--seed", "w"}, func(s seeded) {
		status, answer := s.ask(s.token("--user", "ada"), "verify")
		if status != 0 {
			t.Errorf("%d %v", status, answer)
		}
		_, hello := s.ask("", "hello")
		text, err := json.Marshal(hello)
		e2e.Must(t, err)
		for _, project := range []string{"main", "members", "neon", "oidc"} {
			if !slices.Contains(strings.FieldsFunc(string(text), func(r rune) bool { return strings.ContainsRune(`[]{}:,"`, r) }), project) {
				t.Errorf("there is no project %s: %s", project, text)
			}
		}
	})
	if status, out := shell(t, e2e.Program("neonauthd")+" standin --dir "+dir); status != 2 || !strings.Contains(out, "add --daemon") {
		t.Errorf("--dir without a daemon: %d %s", status, out)
	}
}

// TestTheTokenThatADemoShowsEndsWithItsSession. The next start with the same seed does
// not remember the end.
func TestTheTokenThatADemoShowsEndsWithItsSession(t *testing.T) {
	t.Parallel()
	dir := e2e.NewFolder(t).Path("run/demo")
	for range 2 {
		runs(t, []string{"demo", "--dir", dir, "--seed", "logout"}, func(s seeded) {
			ask := func(status int, args ...string) {
				t.Helper()
				if got, answer := s.ask("", args...); got != status {
					t.Errorf("%q: %d %v, want %d", args, got, answer, status)
				}
			}
			ask(0, "profile", "--project", "members", "--token-file", dir+"/opaque.token")
			ask(1, "verify", "--project", "members", "--token-file", dir+"/logout.jwt")
			ask(1, "logout", "--project", "members", "--token-file", dir+"/forged.jwt")
			ask(0, "profile", "--project", "members", "--token-file", dir+"/opaque.token")
			ask(0, "logout", "--project", "members", "--token-file", dir+"/logout.jwt")
			ask(1, "profile", "--project", "members", "--token-file", dir+"/opaque.token")
			ask(0, "verify", "--token-file", dir+"/valid.jwt")
		})
	}
}
