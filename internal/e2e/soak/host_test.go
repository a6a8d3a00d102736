package soak_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
)

// host is the environment of the daemon: its folder, its process, its clock.
type host struct {
	model   *model
	folder  *e2e.Folder
	program string
	clock   []byte // a mapped file: by how much the clock is wrong

	config sync.Mutex // guards the file and the configuration that is in force
	mu     sync.Mutex
	daemon *e2e.Process
}

// newHost makes the environment of a daemon. It starts nothing.
func newHost(t *testing.T, w *model, program string) *host {
	h := &host{model: w, folder: e2e.NewFolder(t), program: program}
	h.folder.Write(t, "clock", string(make([]byte, 8)))
	f, err := os.OpenFile(h.folder.Path("clock"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if h.clock, err = syscall.Mmap(int(f.Fd()), 0, 8, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED); err != nil {
		t.Fatal(err)
	}
	for _, u := range w.upstreams {
		h.serve(t, u)
		h.folder.Write(t, "key-"+u.name, u.ServerKey())
	}
	if err := h.configure(); err != nil {
		t.Fatal(err)
	}
	return h
}

// serve lets an upstream answer until the end of the test.
func (h *host) serve(t *testing.T, u *upstream) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u.SetBaseURL("http://" + ln.Addr().String())
	server := &http.Server{Handler: u, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(ln) }()
	t.Cleanup(func() { _ = server.Close() })
}

// configure writes the configuration according to the facts.
func (h *host) configure() error {
	text := fmt.Sprintf("socket = %q\nadmin_socket = %q\nstate_dir = %q\nlog_level = \"warn\"\n", h.folder.Socket(), h.folder.AdminSocket(), h.folder.Path("state"))
	for _, p := range h.model.projects {
		block := strings.TrimSpace(p.up.ConfigBlock(p.preset, "./key-"+p.up.name))
		text += "\n" + strings.Replace(block, fmt.Sprintf("name = %q", p.preset), fmt.Sprintf("name = %q", p.name), 1) +
			fmt.Sprintf("\nleeway = %q\nprofile_fresh = %q\nprofile_stale = %q\njwks_refresh = %q\n", leeway, profileFresh, profileStale, keysFresh) +
			"jwks_cooldown = \"200ms\"\nupstream_timeout = \"2s\"\nupstream_rate = 500\n"
		if p.preset == standin.Stack && p.allow.latest() {
			text += "allow = [\"anonymous\"]\n"
		}
	}
	next := h.folder.Path("next.toml")
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(next, h.folder.Config())
}

// start starts the daemon and waits until it is ready. Then the configuration
// on disk is in force.
func (h *host) start() error {
	h.config.Lock()
	defer h.config.Unlock()
	cmd := exec.Command(h.program, "--config", h.folder.Config())
	cmd.Env = e2e.Environment("NEONAUTHD_STEPPED_CLOCK=" + h.folder.Path("clock"))
	daemon, err := e2e.Begin(h.folder.Dir, cmd)
	if err != nil {
		return err
	}
	h.mu.Lock()
	h.daemon = daemon
	h.mu.Unlock()
	if _, err := daemon.State("READY=1"); err != nil {
		return err
	}
	for _, p := range h.model.projects {
		p.allow.change(p.allow.latest())()
	}
	h.model.run.Add(1)
	return nil
}

// end ends the daemon by a signal. The error describes what went wrong.
func (h *host) end(signal syscall.Signal) error {
	h.mu.Lock()
	daemon := h.daemon
	h.mu.Unlock()
	select {
	case <-daemon.Ended:
		return fmt.Errorf("the daemon ended by itself: %w\n%s", daemon.Err, daemon.Written())
	default:
	}
	h.model.run.Add(1)
	err := daemon.End(signal)
	if signal == syscall.SIGKILL {
		err = nil
	}
	for _, fault := range []string{"DATA RACE", "panic:", "fault of ours", "fatal error"} {
		if strings.Contains(daemon.Written(), fault) {
			err = errors.Join(err, fmt.Errorf("the daemon wrote %q:\n%s", fault, daemon.Written()))
		}
	}
	return err
}

// step makes the daemon's clock wrong by this much.
func (h *host) step(by time.Duration) {
	done := h.model.offset.change(by)
	binary.NativeEndian.PutUint64(h.clock, uint64(by))
	done()
}
