package e2e

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/internal/e2e/need"
)

// Output is what a process wrote so far. Safe for concurrent use.
type Output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write adds to it.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

// String returns all of it.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// Process is a program that runs until the test ends, under a service manager
// that is the test.
type Process struct {
	Cmd            *exec.Cmd
	Stdout, Stderr Output
	States         chan string   // what it told the service manager
	Ended          chan struct{} // closed when the process is gone
	Err            error         // of the process; valid once Ended is closed
	Rough          bool          // an end other than in order is expected
}

// Start starts a command. Where it leaves them out, the environment is
// Environment and the output is kept. dir, whose name must be short, gets the
// service manager's socket. The end of the test stops the process and looks for
// races and faults in what it wrote.
func Start(t testing.TB, dir string, cmd *exec.Cmd) *Process {
	t.Helper()
	p := &Process{Cmd: cmd, States: make(chan string, 4096), Ended: make(chan struct{})}
	if cmd.Env == nil {
		cmd.Env = Environment()
	}
	cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+p.listen(t, dir))
	if cmd.Stdout == nil {
		cmd.Stdout = &p.Stdout
	}
	if cmd.Stderr == nil {
		cmd.Stderr = &p.Stderr
	}
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.Err = cmd.Wait(); close(p.Ended) }()
	t.Cleanup(func() { p.judge(t) })
	return p
}

// listen plays the service manager's notification socket (sd_notify(3)).
func (p *Process) listen(t testing.TB, dir string) string {
	t.Helper()
	path := filepath.Join(dir, fmt.Sprintf("notify-%d", time.Now().UnixNano()))
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			select {
			case p.States <- string(buf[:n]):
			default: // nobody waits for that many
			}
		}
	}()
	return path
}

// Name is that of the program.
func (p *Process) Name() string { return filepath.Base(p.Cmd.Path) }

// Written is all that the process wrote so far.
func (p *Process) Written() string { return p.Stdout.String() + p.Stderr.String() }

// Await waits until the process has told the service manager a state that
// begins with prefix, and returns that.
func (p *Process) Await(t testing.TB, prefix string) string {
	t.Helper()
	timeout := time.After(Patience)
	for {
		select {
		case state := <-p.States:
			if strings.HasPrefix(state, prefix) {
				return state
			}
		case <-p.Ended:
			t.Fatalf("%s ended (%v) before %s:\n%s", p.Name(), p.Err, prefix, p.Written())
		case <-timeout:
			t.Fatalf("%s: no %s in time:\n%s", p.Name(), prefix, p.Written())
		}
	}
}

// Reload sends SIGHUP and returns what the process says of the outcome.
func (p *Process) Reload(t testing.TB) string {
	t.Helper()
	p.Signal(t, syscall.SIGHUP)
	p.Await(t, "RELOADING=1\nMONOTONIC_USEC=")
	return p.Await(t, "READY=1")
}

// Signal sends a signal.
func (p *Process) Signal(t testing.TB, s os.Signal) {
	t.Helper()
	if err := p.Cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// AwaitEnd waits for the process and returns its exit status, -1 for a signal.
func (p *Process) AwaitEnd(t testing.TB) int {
	t.Helper()
	select {
	case <-p.Ended:
		return p.Cmd.ProcessState.ExitCode()
	case <-time.After(Patience):
		t.Fatalf("%s does not end:\n%s", p.Name(), p.Written())
		return 0
	}
}

// Stop ends the process as a service manager does, unless it has ended, and
// waits for it. It has to end in order, unless it is Rough.
func (p *Process) Stop(t testing.TB) {
	t.Helper()
	select {
	case <-p.Ended:
		return
	default:
	}
	_ = p.Cmd.Process.Signal(syscall.SIGTERM) // it may be gone
	select {
	case <-p.Ended:
		if p.Err != nil && !p.Rough {
			t.Errorf("%s after SIGTERM: %v\n%s", p.Name(), p.Err, p.Written())
		}
	case <-time.After(Patience):
		_ = p.Cmd.Process.Kill()
		t.Errorf("%s did not end after SIGTERM", p.Name())
	}
}

// Kill ends the process as a crash does, and waits for it.
func (p *Process) Kill(t testing.TB) {
	t.Helper()
	p.Rough = true
	p.Signal(t, syscall.SIGKILL)
	p.AwaitEnd(t)
}

// AwaitListening waits until somebody accepts at an address.
func (p *Process) AwaitListening(t testing.TB, network, address string) {
	t.Helper()
	deadline := time.Now().Add(Patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for time.Now().Before(deadline) {
		conn, err := net.Dial(network, address)
		if err == nil {
			conn.Close()
			return
		}
		select {
		case <-p.Ended:
			t.Fatalf("%s ended: %v\n%s", p.Name(), p.Err, p.Written())
		case <-tick.C:
		}
	}
	t.Fatalf("%s does not listen on %s:\n%s", p.Name(), address, p.Written())
}

// Freeze stops the process without ending it, until the end of the test: its
// sockets go on taking connections. It returns when every thread stands still,
// which is after the signal was sent.
func (p *Process) Freeze(t testing.TB) {
	t.Helper()
	p.Signal(t, syscall.SIGSTOP)
	t.Cleanup(func() { _ = p.Cmd.Process.Signal(syscall.SIGCONT) }) // it may be gone
	for begun := time.Now(); !p.frozen(t); {
		if time.Since(begun) > Patience {
			t.Fatalf("%s goes on after SIGSTOP", p.Name())
		}
	}
}

func (p *Process) frozen(t testing.TB) bool {
	t.Helper()
	states, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", p.Cmd.Process.Pid))
	need.Host(t, err == nil && len(states) > 0, "no /proc here")
	return !slices.ContainsFunc(states, func(file string) bool {
		text, err := os.ReadFile(file)
		return err == nil && !strings.HasPrefix(string(text[bytes.LastIndexByte(text, ')')+1:]), " T")
	})
}

// judge stops the process, if it runs, and looks at what it wrote.
func (p *Process) judge(t testing.TB) {
	p.Stop(t)
	for _, fault := range []string{"DATA RACE", "panic:", "fault of ours", "fatal error", "without a verified user"} {
		if strings.Contains(p.Written(), fault) && !p.Rough {
			t.Errorf("%s wrote %q:\n%s", p.Name(), fault, p.Written())
		}
	}
	if t.Failed() && testing.Verbose() {
		t.Logf("%s wrote:\n%s", p.Name(), p.Written())
	}
}
