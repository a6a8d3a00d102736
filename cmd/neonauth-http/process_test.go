package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// process is a program that runs until the test ends.
type process struct {
	cmd    *exec.Cmd
	out    output
	states chan string   // what it told the service manager
	ended  chan struct{} // closed when it is gone
	err    error         // valid once ended
	rough  bool          // a bad end is expected
	name   string
}

// launch starts a program. Its end, at the test's latest, has to be clean.
func launch(t testing.TB, dir, path string, env []string, args ...string) *process {
	t.Helper()
	p := &process{states: make(chan string, 64), ended: make(chan struct{}), name: filepath.Base(path)}
	p.cmd = exec.Command(path, args...)
	p.cmd.Env = append(cleanEnvironment(), "NOTIFY_SOCKET="+p.listenStates(t, dir))
	p.cmd.Env = append(p.cmd.Env, env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	p.cmd.WaitDelay = time.Second
	p.cmd.Dir = dir
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.err = p.cmd.Wait(); close(p.ended) }()
	t.Cleanup(func() { p.end(t) })
	return p
}

// cleanEnvironment is ours without what would change a program's behaviour.
func cleanEnvironment() []string {
	env := []string{"GORACE=halt_on_error=0 exitcode=66"}
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		switch name {
		case "STATE_DIRECTORY", "CREDENTIALS_DIRECTORY", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "JOURNAL_STREAM",
			"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "NEONAUTHD_SOCKET", "GORACE":
			continue
		}
		env = append(env, pair)
	}
	return env
}

// listenStates plays the service manager's notification socket (sd_notify(3)).
func (p *process) listenStates(t testing.TB, dir string) string {
	t.Helper()
	path := filepath.Join(dir, fmt.Sprintf("n%d", time.Now().UnixNano()))
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
			case p.states <- string(buf[:n]):
			default: // nobody waits for that many
			}
		}
	}()
	return path
}

// await waits until the program has told a state that begins with prefix.
func (p *process) await(t testing.TB, prefix string) {
	t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case state := <-p.states:
			if strings.HasPrefix(state, prefix) {
				return
			}
		case <-p.ended:
			t.Fatalf("%s ended (%v) before %s:\n%s", p.name, p.err, prefix, p.out.String())
		case <-timeout:
			t.Fatalf("%s: no %s in time:\n%s", p.name, prefix, p.out.String())
		}
	}
}

func (p *process) signal(t testing.TB, s os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// stop ends the program as the service manager does, and waits for it.
func (p *process) stop(t testing.TB) {
	t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may be gone
	select {
	case <-p.ended:
	case <-time.After(patience):
		_ = p.cmd.Process.Kill()
		t.Errorf("%s did not end after SIGTERM", p.name)
	}
}

// kill ends the program as a crash does.
func (p *process) kill(t testing.TB) {
	t.Helper()
	p.rough = true
	p.signal(t, syscall.SIGKILL)
	<-p.ended
}

// end stops the program and judges what it wrote.
func (p *process) end(t testing.TB) {
	p.stop(t)
	if p.err != nil && !p.rough {
		t.Errorf("%s ended with %v:\n%s", p.name, p.err, p.out.String())
	}
	for _, fault := range []string{"DATA RACE", "panic:", "fault of ours", "without a verified user"} {
		if strings.Contains(p.out.String(), fault) {
			t.Errorf("%s wrote %q:\n%s", p.name, fault, p.out.String())
		}
	}
}

// awaitListening waits until somebody accepts at an address.
func (p *process) awaitListening(t testing.TB, network, address string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for time.Now().Before(deadline) {
		conn, err := net.Dial(network, address)
		if err == nil {
			conn.Close()
			return
		}
		select {
		case <-p.ended:
			t.Fatalf("%s ended: %v\n%s", p.name, p.err, p.out.String())
		case <-tick.C:
		}
	}
	t.Fatalf("%s does not listen on %s:\n%s", p.name, address, p.out.String())
}
