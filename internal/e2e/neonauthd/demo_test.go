package neonauthd_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/internal/e2e/need"
	"github.com/neonauthd/neonauthd/internal/e2e/ports"
)

// TestDemoShowsEachAnswerAndCredentialAndLeavesNothingBehind runs the commands that the
// demo tells people to paste, in the same order.
func TestDemoShowsEachAnswerAndCredentialAndLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	h := e2e.NewFolder(t)
	cmd := exec.Command(e2e.Program("neonauthd"), "demo")
	cmd.Env = e2e.Environment("XDG_RUNTIME_DIR="+h.Path("run"), "TMPDIR="+h.Path("run"))
	var stderr e2e.Output
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	e2e.Must(t, err)
	e2e.Must(t, cmd.Start())
	ended := make(chan error, 1)
	var told []string
	lines := make(chan string)
	go func() {
		for in := bufio.NewScanner(stdout); in.Scan(); {
			lines <- in.Text()
		}
		ended <- cmd.Wait()
	}()
	timeout := time.After(e2e.Timeout)
	for len(told) == 0 || !strings.Contains(told[len(told)-1], "bob.jwt") {
		select {
		case line := <-lines:
			told = append(told, line)
		case err := <-ended:
			t.Fatalf("the demo ended: %v\n%s", err, stderr.String())
		case <-timeout:
			_ = cmd.Process.Kill()
			t.Fatalf("the demo told only this:\n%s", strings.Join(told, "\n"))
		}
	}
	pasteAll(t, h.Dir, told)
	e2e.Must(t, cmd.Process.Signal(os.Interrupt))
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("after Ctrl-C: %v\n%s", err, stderr.String())
		}
	case <-timeout:
		_ = cmd.Process.Kill()
		t.Fatal("Ctrl-C does not end the demo")
	}
	if written := stderr.String(); written != "" {
		t.Errorf("it wrote %q", written)
	}
	left, err := os.ReadDir(h.Path("run"))
	if e2e.Must(t, err); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// prints returns what the command below each remark of the demo prints.
func prints() map[string]string {
	return map[string]string{
		"accepted":       "level      claims",
		"rejected":       "rejected: bad-signature",
		"unknown":        "keys-pending",
		"profile":        `"display_name": "Ada Lovelace"`,
		"the same":       "OK level=claims ",
		"more tokens":    "eyJ",
		"API key":        "level      profile",
		"resource token": "project    members",
		"rejected (exit 1): it is for no other project": "ask a project that has that resource",
		"introspection":                        `"active": true`,
		"logout":                               "ended: the session",
		"rejected (exit 1): so the same":       "rejected: revoked",
		"webhooks":                             "",
		"the upstream delivers":                `{"status":204}`,
		"rejected (exit 1): so his tokens are": "rejected: revoked",
	}
}

// pasteAll runs the demo's commands. The remark above each command says its exit status.
func pasteAll(t *testing.T, dir string, told []string) {
	t.Helper()
	need.Program(t, "socat", "socat")
	need.Program(t, "curl", "curl")
	exit := regexp.MustCompile(`\(exit (\d)\)`)
	var exports, remark string
	left := prints()
	for _, line := range told {
		switch {
		case strings.HasPrefix(line, "export "):
			exports = line + "\n"
			continue
		case strings.HasPrefix(line, "# "):
			remark = line[2:]
			continue
		case strings.HasPrefix(line, "eyJ"):
			t.Error("it prints a token, which is many lines, where there is something to paste")
		case remark == "" || !strings.Contains(line, "$DEMO") && !strings.Contains(line, " demo token "):
			continue // the line is for people
		}
		longest := ""
		for prefix := range left {
			if strings.HasPrefix(remark, prefix) && len(prefix) > len(longest) {
				longest = prefix
			}
		}
		want, known := left[longest]
		if delete(left, longest); !known {
			t.Errorf("nothing is expected of\n# %s\n%s", remark, line)
		}
		if strings.Contains(line, " hooks ") {
			takeWebhooks(t, dir, exports, line)
			continue
		}
		status, out := shell(t, exports+line)
		if m := exit.FindStringSubmatch(remark); m != nil && m[1] != strconv.Itoa(status) || m == nil && status != 0 || !strings.Contains(out, want) {
			t.Errorf("# %s\n%s\nexit status %d; it prints\n%s\nand was to print %s", remark, line, status, out, want)
		}
	}
	if len(left) > 0 {
		t.Errorf("the demo does not tell of %q:\n%s", slices.Collect(maps.Keys(left)), strings.Join(told, "\n"))
	}
}

// takeWebhooks runs the program that accepts webhooks until the end of the test, at a
// port that no other test has.
func takeWebhooks(t *testing.T, dir, exports, line string) {
	t.Helper()
	const address = "127.0.0.1:4182"
	ours := ports.Address(t)
	if status, out := shell(t, exports+"sed -i s/"+address+"/"+ours+`/ "$DEMO/bob-deleted.json"`); status != 0 {
		t.Fatal(out)
	}
	p := e2e.Start(t, dir, exec.Command("/bin/sh", "-c", exports+"exec "+strings.Replace(line, address, ours, 1)))
	p.AwaitListening(t, "tcp", ours)
}

func shell(t *testing.T, script string) (status int, out string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), e2e.Timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", script)
	cmd.Env = e2e.Environment()
	text, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v", script, err)
	}
	return cmd.ProcessState.ExitCode(), string(text)
}

// TestDemoEndsWhateverHappens stops demos at awkward moments.
func TestDemoEndsWhateverHappens(t *testing.T) {
	t.Parallel()
	for name, signals := range map[string][]os.Signal{
		"terminated":        {syscall.SIGTERM},
		"interrupted twice": {os.Interrupt, os.Interrupt},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := e2e.NewFolder(t)
			ctx, cancel := context.WithTimeout(context.Background(), e2e.Timeout)
			defer cancel()
			cmd := exec.CommandContext(ctx, e2e.Program("neonauthd"), "demo")
			cmd.Env = e2e.Environment("XDG_RUNTIME_DIR=" + h.Path("run"))
			stdout, err := cmd.StdoutPipe()
			e2e.Must(t, err)
			e2e.Must(t, cmd.Start())
			_, err = bufio.NewReader(stdout).ReadString('\n')
			e2e.Must(t, err)
			for _, s := range signals {
				e2e.Must(t, cmd.Process.Signal(s))
			}
			_, _ = io.Copy(io.Discard, stdout) // read to the end
			_ = cmd.Wait()                     // a second signal may end it by force
			if ctx.Err() != nil {
				t.Fatal("the demo does not end")
			}
			left, err := os.ReadDir(h.Path("run"))
			if e2e.Must(t, err); len(left) > 0 && len(signals) == 1 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}
