package neonauthd_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/internal/e2e/need"
)

// TestDemoShowsItsThreeAnswersAndLeavesNothingBehind runs what the demo tells
// people to paste, in the order in which it tells them.
func TestDemoShowsItsThreeAnswersAndLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	h := e2e.NewFolder(t)
	cmd := exec.Command(e2e.Program("neonauthd"), "demo")
	cmd.Env = e2e.Environment("XDG_RUNTIME_DIR="+h.Path("run"), "TMPDIR="+h.Path("run"))
	var stderr e2e.Output
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	ended := make(chan error, 1)
	var told []string
	lines := make(chan string)
	go func() {
		for in := bufio.NewScanner(stdout); in.Scan(); {
			lines <- in.Text()
		}
		ended <- cmd.Wait()
	}()
	timeout := time.After(e2e.Patience)
	for len(told) == 0 || !strings.HasPrefix(told[len(told)-1], "printf ") {
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
	pasteAll(t, told)
	must(t, cmd.Process.Signal(os.Interrupt))
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
	if must(t, err); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// pasteAll runs the demo's commands; the remark above each says how it ends.
func pasteAll(t *testing.T, told []string) {
	t.Helper()
	var exports, remark, minted string
	statuses := map[string]int{"# accepted": 0, "# rejected (exit 1): there": 1, "# unknown": 3, "# introspection": 0, "# logout": 0, "# rejected (exit 1): so": 1, "# the live profile": 0}
	prints := map[string]string{"# introspection": `"active": true`, "# logout": "ended: the session", "# rejected (exit 1): so": "rejected: revoked"}
	ran := 0
	for _, line := range told {
		switch {
		case strings.HasPrefix(line, "export "):
			exports = line + "\n"
		case strings.HasPrefix(line, "# "):
			remark = line
		case strings.HasPrefix(line, e2e.Program("neonauthctl")):
			status, out := shell(t, exports+line)
			for prefix, want := range statuses {
				if strings.HasPrefix(remark, prefix) && status != want {
					t.Errorf("%s\n%s\nexit status %d, expected %d:\n%s", remark, line, status, want, out)
				}
				if strings.HasPrefix(remark, prefix) && !strings.Contains(out, prints[prefix]) {
					t.Errorf("%s\n%s\nprints\n%s\nand not %s", remark, line, out, prints[prefix])
				}
			}
			ran++
		case strings.HasPrefix(line, e2e.Program("neonauthd")+" demo token "):
			_, minted = shell(t, exports+line)
		case strings.HasPrefix(line, "eyJ"):
			t.Error("it prints a token, which is many lines, where there is something to paste")
		case strings.HasPrefix(line, "printf "):
			need.Program(t, "socat", "socat")
			if _, out := shell(t, exports+line); !strings.HasPrefix(out, "OK level=claims ") {
				t.Errorf("%s\n%s", line, out)
			}
		}
	}
	if strings.Count(minted, ".") != 2 {
		t.Errorf("\"demo token\" prints %q", minted)
	}
	if ran != len(statuses) {
		t.Errorf("%d commands of neonauthctl, expected %d:\n%s", ran, len(statuses), strings.Join(told, "\n"))
	}
}

func shell(t *testing.T, script string) (status int, out string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), e2e.Patience)
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
			ctx, cancel := context.WithTimeout(context.Background(), e2e.Patience)
			defer cancel()
			cmd := exec.CommandContext(ctx, e2e.Program("neonauthd"), "demo")
			cmd.Env = e2e.Environment("XDG_RUNTIME_DIR=" + h.Path("run"))
			stdout, err := cmd.StdoutPipe()
			must(t, err)
			must(t, cmd.Start())
			_, err = bufio.NewReader(stdout).ReadString('\n')
			must(t, err)
			for _, s := range signals {
				must(t, cmd.Process.Signal(s))
			}
			_, _ = io.Copy(io.Discard, stdout) // to its end
			_ = cmd.Wait()                     // a second signal may end it by force
			if ctx.Err() != nil {
				t.Fatal("the demo does not end")
			}
			left, err := os.ReadDir(h.Path("run"))
			if must(t, err); len(left) > 0 && len(signals) == 1 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}
