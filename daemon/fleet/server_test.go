package fleet

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/valkey-io/valkey-go"

	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/internal/e2e/need"
	"github.com/neonauthd/neonauthd/internal/e2e/ports"
)

// testTimeout is how long a test waits for something that has to happen. Even a
// busy machine needs only a part of it.
const testTimeout = 30 * time.Second

// server is a real redis-server, of this test alone.
type server struct {
	t    testing.TB
	dir  string
	port string
	args []string
	// password is the password with which do and must connect.
	password string
	cmd      *exec.Cmd
}

// newServer starts a server on a free port of the loopback address.
func newServer(t testing.TB, args ...string) *server {
	t.Helper()
	s := &server{t: t, dir: t.TempDir(), port: ports.Free(t), args: args}
	s.start()
	t.Cleanup(s.kill)
	return s
}

func (s *server) address() string { return net.JoinHostPort("127.0.0.1", s.port) }

func (s *server) url() string { return "redis://" + s.address() }

// redis is the path of the program. Installing its package would start a
// server: see .ci/run.
func redis(t testing.TB) string {
	t.Helper()
	return need.Program(t, "redis-server", "redis-server")
}

// start starts the program and waits until it answers.
func (s *server) start() {
	s.t.Helper()
	args := append([]string{"--port", s.port, "--bind", "127.0.0.1", "--dir", s.dir, "--save", "", "--daemonize", "no"}, s.args...)
	s.run(redis(s.t), args...)
}

func (s *server) run(program string, args ...string) {
	s.t.Helper()
	out, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer out.Close()
	s.cmd = exec.Command(program, args...)
	s.cmd.Stdout, s.cmd.Stderr = out, out
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	e2e.Until(s.t, "the server answers", func() bool {
		conn, err := net.DialTimeout("tcp", s.address(), time.Second)
		if err != nil {
			return false
		}
		defer conn.Close()
		return true
	})
}

func (s *server) kill() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		s.cmd = nil
	}
}

func (s *server) signal(signal syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(signal); err != nil {
		s.t.Fatal(err)
	}
}

// do runs one command, written as on the command line, as a user who may do
// everything.
func (s *server) do(words ...string) valkey.ValkeyResult {
	s.t.Helper()
	c, err := valkey.NewClient(valkey.ClientOption{
		InitAddress: []string{s.address()}, ForceSingleClient: true, DisableCache: true, Password: s.password, DisableRetry: true,
	})
	if err != nil {
		return valkey.NewErrorResult(err)
	}
	defer c.Close()
	return c.Do(context.Background(), c.B().Arbitrary(words...).Build())
}

// must runs one command that succeeds.
func (s *server) must(words ...string) valkey.ValkeyMessage {
	s.t.Helper()
	m, err := s.do(words...).ToMessage()
	if err != nil && !valkey.IsValkeyNil(err) {
		s.t.Fatalf("%s: %v", strings.Join(words[:min(2, len(words))], " "), err)
	}
	return m
}

// failing is a test, or the test of a property.
type failing interface {
	Helper()
	Fatal(args ...any)
}

func must[T any](t failing) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func label(i int) string { return fmt.Sprintf("host-%d", i) }

// wishLong skips a test that takes minutes, unless somebody has asked for it.
func wishLong(t testing.TB) {
	t.Helper()
	need.Wish(t, "FLEET_LONG", "run the long test of convergence, or say make fleet-faults")
}
