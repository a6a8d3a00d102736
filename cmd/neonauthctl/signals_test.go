package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/cli"
	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/terminal"
)

// TestASignalEndsTheWaitForAToken of a real process, which reads a pipe that nothing is written to.
func TestASignalEndsTheWaitForAToken(t *testing.T) {
	t.Parallel()
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		for _, command := range []string{"verify", "profile", "explain", "logout", "bench"} {
			t.Run(sig.String()+" "+command, func(t *testing.T) {
				t.Parallel()
				fifo := filepath.Join(t.TempDir(), "token")
				if err := syscall.Mkfifo(fifo, 0o600); err != nil {
					t.Fatal(err)
				}
				ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
				defer stop()
				var out bytes.Buffer
				p := exec.CommandContext(ctx, "neonauthctl", command, "--token-file", fifo) // TestMain has it in the path
				p.Stdout, p.Stderr = &out, &out
				if err := p.Start(); err != nil {
					t.Fatal(err)
				}
				release := context.AfterFunc(ctx, func() {
					if r, err := os.OpenFile(fifo, os.O_RDONLY|syscall.O_NONBLOCK, 0); err == nil {
						defer r.Close()
					}
				})
				defer release()
				w, err := os.OpenFile(fifo, os.O_WRONLY, 0) // waits until the program opens it
				if err != nil {
					t.Fatal(err)
				}
				defer w.Close()
				if err := p.Process.Signal(sig); err != nil {
					t.Fatal(err)
				}
				_ = p.Wait()
				if code := p.ProcessState.ExitCode(); code != int(cli.ExitUnknown) || !strings.Contains(out.String(), "ended before a token was read") {
					t.Errorf("%s: %s", p.ProcessState, out.String())
				}
			})
		}
	}
}

// silence is a standard input to which nothing is written.
type silence struct{ asked chan struct{} }

func (s silence) Read([]byte) (int, error) {
	close(s.asked)
	select {}
}

func TestASignalEndsTheWaitForStandardInput(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	in := silence{make(chan struct{})}
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		<-in.asked
		stop()
	}()
	if code := run(ctx, []string{"verify"}, terminal.Terminal{In: in, Out: &out, Err: &out}); code != int(cli.ExitUnknown) {
		t.Errorf("exit code %d: %s", code, out.String())
	}
}
