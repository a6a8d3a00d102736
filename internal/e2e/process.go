package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/internal/e2e/need"
)

// Output collects what a process or a logger writes. Safe for concurrent use.
type Output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write appends to the output.
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

// Reset forgets what was written so far.
func (o *Output) Reset() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text.Reset()
}

// Process is a program that runs until the test ends. The test is its service
// manager.
type Process struct {
	Cmd            *exec.Cmd
	Stdout, Stderr Output
	States         chan string   // the states that it sent to the service manager
	Ended          chan struct{} // closed when the process is gone
	Err            error         // of the process; valid once Ended is closed
	Rough          bool          // the test expects that it ends with an error

	latest atomic.Pointer[string] // the latest state that was awaited
}

// Start starts a command that is stopped at the end of the test. Then it
// searches the output of the process for races and faults. See Begin.
func Start(t testing.TB, dir string, cmd *exec.Cmd) *Process {
	t.Helper()
	p, err := Begin(dir, cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.judge(t) })
	return p
}

// Begin is Start for other goroutines than the test's own: the caller must end
// the process. If the command has no environment, it gets Environment; if it
// has no output, the output is kept. dir, whose name must be short, gets the
// service manager's socket.
func Begin(dir string, cmd *exec.Cmd) (*Process, error) {
	p := &Process{Cmd: cmd, States: make(chan string, 4096), Ended: make(chan struct{})}
	manager, err := p.listen(dir)
	if err != nil {
		return nil, err
	}
	if cmd.Env == nil {
		cmd.Env = Environment()
	}
	cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+manager.LocalAddr().String())
	if cmd.Stdout == nil {
		cmd.Stdout = &p.Stdout
	}
	if cmd.Stderr == nil {
		cmd.Stderr = &p.Stderr
	}
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, manager.Close())
	}
	go func() {
		p.Err = cmd.Wait()
		_ = manager.Close()
		close(p.Ended)
	}()
	return p, nil
}

// listen serves the service manager's notification socket (sd_notify(3)).
func (p *Process) listen(dir string) (*net.UnixConn, error) {
	path := filepath.Join(dir, fmt.Sprintf("notify-%d", time.Now().UnixNano()))
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, err
	}
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			select {
			case p.States <- string(buf[:n]):
			default: // no test waits for so many states
			}
		}
	}()
	return conn, nil
}

// Name returns the name of the program.
func (p *Process) Name() string { return filepath.Base(p.Cmd.Path) }

// Written returns the whole output of the process so far.
func (p *Process) Written() string { return p.Stdout.String() + p.Stderr.String() }

// Await waits until the process has sent the service manager a state that
// begins with prefix, and returns that state.
func (p *Process) Await(t testing.TB, prefix string) string {
	t.Helper()
	state, err := p.State(prefix)
	if err != nil {
		t.Fatal(err)
	}
	return state
}

// AwaitStatus returns when the process has told this status, also if that was in the latest state
// that was awaited.
func (p *Process) AwaitStatus(t testing.TB, status string) {
	t.Helper()
	if latest := p.latest.Load(); latest == nil || !strings.HasSuffix(*latest, status) {
		p.Await(t, status)
	}
}

// State is Await for other goroutines than the test's own.
func (p *Process) State(prefix string) (string, error) {
	timeout := time.After(Timeout)
	for {
		select {
		case state := <-p.States:
			p.latest.Store(&state)
			if strings.HasPrefix(state, prefix) {
				return state, nil
			}
		case <-p.Ended:
			return "", fmt.Errorf("%s ended (%v) before %s:\n%s", p.Name(), p.Err, prefix, p.Written())
		case <-timeout:
			return "", fmt.Errorf("%s: no %s in time:\n%s", p.Name(), prefix, p.Written())
		}
	}
}

// Reload sends SIGHUP and returns the state with which the process reports the
// result.
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
	case <-time.After(Timeout):
		t.Fatalf("%s does not end:\n%s", p.Name(), p.Written())
		return 0
	}
}

// Stop ends the process as a service manager does, unless it has ended, and
// waits for it. The process must end without an error, unless it is Rough.
func (p *Process) Stop(t testing.TB) {
	t.Helper()
	if err := p.End(syscall.SIGTERM); err != nil && !p.Rough {
		t.Error(err)
	}
}

// End sends a signal, unless the process has ended, and waits for its end. It
// returns nil if the process ended without an error, or had ended before. It is
// Stop and Kill for other goroutines than the test's own.
func (p *Process) End(signal os.Signal) error {
	select {
	case <-p.Ended:
		return nil
	default:
	}
	_ = p.Cmd.Process.Signal(signal) // it may be gone
	select {
	case <-p.Ended:
		if p.Err != nil {
			return fmt.Errorf("%s after %v: %w\n%s", p.Name(), signal, p.Err, p.Written())
		}
		return nil
	case <-time.After(Timeout):
		_ = p.Cmd.Process.Kill()
		return fmt.Errorf("%s did not end after %v:\n%s", p.Name(), signal, p.Written())
	}
}

// Kill kills the process, as a crash would, and waits for its end.
func (p *Process) Kill(t testing.TB) {
	t.Helper()
	p.Rough = true
	p.Signal(t, syscall.SIGKILL)
	p.AwaitEnd(t)
}

// AwaitListening waits until an address accepts connections.
func (p *Process) AwaitListening(t testing.TB, network, address string) {
	t.Helper()
	deadline := time.Now().Add(Timeout)
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

// Freeze stops the process with SIGSTOP until the end of the test: the kernel
// still accepts connections for its sockets. It returns when every thread has
// stopped, which is later than the signal.
func (p *Process) Freeze(t testing.TB) {
	t.Helper()
	_, err := os.Stat("/proc/self/task")
	need.Host(t, err == nil, "no /proc here")
	t.Cleanup(func() { _ = p.Cmd.Process.Signal(syscall.SIGCONT) }) // it may be gone
	if err := p.Stand(); err != nil {
		t.Fatal(err)
	}
}

// Stand is Freeze for other goroutines than the test's own, until somebody
// sends SIGCONT.
func (p *Process) Stand() error {
	if err := p.Cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	for begun := time.Now(); !p.stands(); {
		if time.Since(begun) > Timeout {
			return fmt.Errorf("%s goes on after SIGSTOP", p.Name())
		}
	}
	return nil
}

func (p *Process) stands() bool {
	states, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", p.Cmd.Process.Pid))
	return err == nil && len(states) > 0 && !slices.ContainsFunc(states, func(file string) bool {
		text, err := os.ReadFile(file)
		return err == nil && !strings.HasPrefix(string(text[bytes.LastIndexByte(text, ')')+1:]), " T")
	})
}

// judge stops the process, if it runs, and searches its output for races and
// faults.
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
