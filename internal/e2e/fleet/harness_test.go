package fleet_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/fleet"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
)

// fleetUnderTest is a fleet: hosts, each with its own connection to the one engine, and
// an upstream with users.
type fleetUnderTest struct {
	t        *testing.T
	place    *e2e.Folder // the engine's folder
	engine   *e2e.Engine
	upstream *e2e.Upstream
	hosts    []*host
}

// host is one daemon of the fleet.
type host struct {
	*e2e.Folder
	way *e2e.Cable

	mu     sync.Mutex
	daemon *e2e.Process
}

// newFleet starts n hosts, and returns when all hear each other. more is text
// with further keys of [fleet].
func newFleet(t *testing.T, n int, more string) *fleetUnderTest {
	t.Helper()
	w := &fleetUnderTest{t: t, place: e2e.NewFolder(t), upstream: e2e.NewUpstream(t, standin.Options{})}
	w.engine = e2e.StartEngine(t, w.place.Dir)
	key := fleet.GenerateKey() + "\n"
	for range n {
		h := &host{Folder: e2e.NewFolder(t), way: e2e.NewCable(t, "unix", w.place.Path("engine"))}
		h.Write(t, "fleet-key", key)
		h.Write(t, "neonauthd.toml", fmt.Sprintf("socket = %q\nadmin_socket = %q\nstate_dir = %q\nlog_level = \"warn\"\n",
			h.Socket(), h.AdminSocket(), h.Path("state"))+
			fmt.Sprintf("[fleet]\nname = \"test\"\nurls = [\"redis://%s\"]\nkeys = [\"./fleet-key\"]\n%s\n", h.way.Address(), more)+
			w.upstream.Project(t, h.Folder, standin.Stack))
		if err := h.start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(h.stop)
		w.hosts = append(w.hosts, h)
	}
	w.await("all hosts hear each other", func() bool {
		for _, h := range w.hosts {
			if strings.Count(h.ask("FLEET"), `"state":"heard"`) != len(w.hosts)-1 {
				return false
			}
		}
		return true
	})
	return w
}

// start starts the daemon and waits until it serves.
func (h *host) start() error {
	cmd := exec.Command(e2e.Program("neonauthd"), "--config", h.Config())
	p, err := e2e.Begin(h.Dir, cmd)
	if err != nil {
		return err
	}
	h.mu.Lock()
	h.daemon = p
	h.mu.Unlock()
	_, err = p.State("READY=1")
	return err
}

func (h *host) process() *e2e.Process {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.daemon
}

// stop ends the daemon, even if it was stopped by a signal.
func (h *host) stop() {
	_ = h.process().Cmd.Process.Signal(syscall.SIGCONT) // the process may be gone
	_ = h.process().End(syscall.SIGKILL)
}

// ask sends a line to the admin socket on a connection of its own. It returns
// "" if nobody answers.
func (h *host) ask(line string) string {
	c, err := e2e.Dial(h.AdminSocket())
	if err != nil {
		return ""
	}
	defer c.Conn.Close()
	return say(c, line)
}

// say sends a line on a connection and returns the reply; "" if the connection
// has ended.
func say(c *e2e.Caller, line string) string {
	if c.Conn.SetDeadline(time.Now().Add(e2e.Timeout)) != nil {
		return ""
	}
	if _, err := io.WriteString(c.Conn, line+"\n"); err != nil {
		return ""
	}
	reply, err := c.Line()
	if err != nil {
		return ""
	}
	return reply
}

// await waits until something holds.
func (w *fleetUnderTest) await(what string, holds func() bool) {
	w.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(e2e.Timeout); !holds(); <-tick.C {
		if time.Now().After(end) {
			for _, h := range w.hosts {
				w.t.Logf("%s: %s", h.Dir, h.ask("FLEET"))
			}
			w.t.Fatal("waited in vain until " + what)
		}
	}
}

// command sends the engine a command, as a client that may do everything.
func (w *fleetUnderTest) command(line string) {
	w.t.Helper()
	conn, err := net.Dial("unix", w.place.Path("engine"))
	if err != nil {
		w.t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(e2e.Timeout))
	if _, err := io.WriteString(conn, line+"\r\n"); err != nil {
		w.t.Fatal(err)
	}
	reply, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil || strings.HasPrefix(reply, "-") {
		w.t.Fatalf("%s: %q, %v", line, reply, err)
	}
}

// restartEngine kills the engine now, and returns the function that starts it
// again, with the copy that SAVE has made if there is one.
func (w *fleetUnderTest) restartEngine() (start func()) {
	w.engine.Kill(w.t)
	return func() {
		_ = os.Remove(w.place.Path("engine"))
		w.engine = e2e.StartEngine(w.t, w.place.Dir)
	}
}
