package main_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// settings are what a test wants in a daemon's configuration file beside the
// paths, which the home decides.
type settings struct {
	top    string   // keys before the first table
	limits string   // keys of [limits]
	cache  string   // keys of [cache]
	tables []string // [[project]] and [[caller]] tables
}

// home is the folder of one daemon: configuration, sockets, state, secrets.
type home struct {
	dir string
}

// newHome makes a folder whose name is short, because a socket's path must be.
func newHome(t testing.TB) *home {
	t.Helper()
	dir, err := os.MkdirTemp("", "na-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Mkdir(filepath.Join(dir, "run"), 0o755); err != nil {
		t.Fatal(err)
	}
	return &home{dir: dir}
}

func (h *home) path(name string) string { return filepath.Join(h.dir, name) }
func (h *home) socket() string          { return h.path("run/neonauthd.sock") }
func (h *home) adminSocket() string     { return h.path("run/admin.sock") }
func (h *home) config() string          { return h.path("neonauthd.toml") }

// configure writes the configuration file.
func (h *home) configure(t testing.TB, s settings) {
	t.Helper()
	text := fmt.Sprintf("socket = %q\nadmin_socket = %q\nstate_dir = %q\nlog_level = \"debug\"\n%s\n", h.socket(), h.adminSocket(), h.path("state"), s.top)
	text += "[limits]\n" + s.limits + "\n[cache]\n" + s.cache + "\n" + strings.Join(s.tables, "\n")
	h.write(t, "neonauthd.toml", text)
}

func (h *home) write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(h.path(name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// instance is one run of the daemon.
type instance struct {
	home   *home
	cmd    *exec.Cmd
	stdout output
	stderr output
	states chan string   // what it told the service manager
	ended  chan struct{} // closed when the process is gone
	err    error         // of the process; valid once ended
	silent bool          // an end other than by SIGTERM is expected
}

// output is what a process wrote.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// serve starts a daemon and waits until it is ready. The end of the test stops
// it and looks for races and faults in what it wrote.
func serve(t testing.TB, h *home, s settings) *instance {
	t.Helper()
	h.configure(t, s)
	return start(t, h)
}

// start is serve with the configuration that is there.
func start(t testing.TB, h *home) *instance {
	t.Helper()
	i := launch(t, h)
	i.awaitState(t, "READY=1")
	return i
}

// launch starts a daemon, which may fail.
func launch(t testing.TB, h *home, wrapper ...string) *instance {
	t.Helper()
	return launchWith(t, h, func(*exec.Cmd) {}, wrapper...)
}

// launchWith is launch with a change to the command before it starts.
func launchWith(t testing.TB, h *home, change func(*exec.Cmd), wrapper ...string) *instance {
	t.Helper()
	i := &instance{home: h, states: make(chan string, 64), ended: make(chan struct{})}
	notify := h.listenStates(t, i.states)
	argv := append(wrapper, program("neonauthd"), "--config", h.config())
	i.cmd = exec.Command(argv[0], argv[1:]...)
	i.cmd.Env = cleanEnvironment("NOTIFY_SOCKET=" + notify)
	i.cmd.Stdout, i.cmd.Stderr = &i.stdout, &i.stderr
	i.cmd.WaitDelay = time.Second
	change(i.cmd)
	if err := i.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { i.err = i.cmd.Wait(); close(i.ended) }()
	t.Cleanup(func() { i.end(t) })
	return i
}

// listenStates plays the service manager's notification socket (sd_notify(3)).
func (h *home) listenStates(t testing.TB, states chan<- string) string {
	t.Helper()
	path := h.path(fmt.Sprintf("notify-%d", time.Now().UnixNano()))
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
			states <- string(buf[:n])
		}
	}()
	return path
}

// awaitState waits until the daemon has told a state that begins with prefix.
func (i *instance) awaitState(t testing.TB, prefix string) string {
	t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case state := <-i.states:
			if strings.HasPrefix(state, prefix) {
				return state
			}
		case <-i.ended:
			t.Fatalf("the daemon ended (%v) before %s:\n%s", i.err, prefix, i.stderr.String())
		case <-timeout:
			t.Fatalf("no %s in time:\n%s", prefix, i.stderr.String())
		}
	}
}

// reload sends SIGHUP and returns what the daemon says of the outcome.
func (i *instance) reload(t testing.TB) string {
	t.Helper()
	i.signal(t, syscall.SIGHUP)
	i.awaitState(t, "RELOADING=1")
	return i.awaitState(t, "READY=1")
}

func (i *instance) signal(t testing.TB, s os.Signal) {
	t.Helper()
	if err := i.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// awaitEnd waits for the process and returns its exit status, -1 for a signal.
func (i *instance) awaitEnd(t testing.TB) int {
	t.Helper()
	select {
	case <-i.ended:
		return i.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		t.Fatalf("the daemon does not end:\n%s", i.stderr.String())
		return 0
	}
}

// kill ends the process as a crash does.
func (i *instance) kill(t testing.TB) {
	t.Helper()
	i.silent = true
	i.signal(t, syscall.SIGKILL)
	i.awaitEnd(t)
}

// end stops the process, if it runs, and judges what it wrote.
func (i *instance) end(t testing.TB) {
	select {
	case <-i.ended:
	default:
		_ = i.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-i.ended:
			if i.err != nil && !i.silent {
				t.Errorf("after SIGTERM: %v", i.err)
			}
		case <-time.After(patience):
			_ = i.cmd.Process.Kill()
			t.Error("the daemon did not end after SIGTERM")
		}
	}
	written := i.stdout.String() + i.stderr.String()
	for _, fault := range []string{"DATA RACE", "panic:", "fault of ours", "fatal error"} {
		if strings.Contains(written, fault) && !i.silent {
			t.Errorf("the daemon wrote %q:\n%s", fault, written)
		}
	}
	if t.Failed() && testing.Verbose() {
		t.Logf("the daemon wrote:\n%s", written)
	}
}
