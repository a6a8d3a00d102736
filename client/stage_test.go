package client_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/protocol"
)

// stagePatience is how long any one thing on the stage may take.
const stagePatience = 20 * time.Second

// stage is the real daemon, as a process, and the stand-in upstream, for
// players of testdata/behaviours in any language.
type stage struct {
	program string // the daemon's
	dir     string
	up      *standin.Standin
	ready   *net.UnixConn // where the daemon reports, as systemd has it do
	daemon  *exec.Cmd     // nil: not running
	log     strings.Builder
	people  map[string]person
}

type person struct{ token, subject string }

// buildDaemon builds the program under test.
func buildDaemon(t testing.TB) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "neonauthd")
	build := exec.Command("go", "build", "-o", program, "../cmd/neonauthd")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the daemon: %v\n%s", err, out)
	}
	return program
}

func newStage(t testing.TB, program string) *stage {
	t.Helper()
	dir, err := os.MkdirTemp("", "na") // t.TempDir would be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := &stage{program: program, dir: dir}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.up = standin.New(standin.Options{BaseURL: "http://" + ln.Addr().String(), TokenLifetime: time.Hour})
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.up.Run(ctx, ln) }()
	s.ready, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: s.path("notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.kill(); err != nil {
			t.Error(err)
		}
		_ = s.ready.Close()
		stop()
		<-done
		if t.Failed() {
			t.Logf("the daemon's log:\n%s", s.log.String())
		}
	})
	return s
}

func (s *stage) path(name string) string { return filepath.Join(s.dir, name) }

// do does what a line says; testdata/behaviours/README.md lists them.
func (s *stage) do(line string) (string, error) {
	word := append(strings.Split(line, " "), "", "")
	switch word[0] {
	case "reset":
		return "", s.reset()
	case "mint":
		return s.mint(word[1], word[2])
	case "start":
		return "", s.start()
	case "stop":
		return "", s.stop()
	case "restart":
		return "", errors.Join(s.stop(), s.start())
	case "forget":
		return "", os.RemoveAll(s.path("state"))
	case "kill":
		return "", errors.Join(s.kill(), s.start())
	case "freeze":
		return "", s.freeze()
	case "thaw":
		return "", s.daemon.Process.Signal(syscall.SIGCONT)
	case "outage":
		s.up.Inject(standin.Any, standin.Fault{Kind: standin.Status})
		return "", nil
	case "mend":
		s.up.ClearAll()
		return "", nil
	case "rotate":
		s.up.Rotate(standin.Stack, false)
		return "", nil
	case "delete":
		if !s.up.DeleteUser(s.people[word[1]].subject) {
			return "", errors.New("no such user")
		}
		return "", nil
	case "revoke":
		return "", s.revoke(protocol.REVOKE, word[1], word[2])
	case "unrevoke":
		return "", s.revoke(protocol.UNREVOKE, word[1], word[2])
	}
	return "", errors.New("the stage has no such line")
}

func (s *stage) reset() error {
	if err := s.kill(); err != nil {
		return err
	}
	s.up.ClearAll()
	s.people = map[string]person{}
	if err := os.RemoveAll(s.path("state")); err != nil {
		return err
	}
	config := fmt.Sprintf("socket = %q\nadmin_socket = %q\nstate_dir = %q\n\n", s.path("s"), s.path("a"), s.path("state")) +
		strings.Replace(s.up.ConfigBlock(standin.Stack, s.path("key")), `name = "stack"`, "name = \"main\"\njwks_cooldown = \"100ms\"", 1)
	for name, text := range map[string]string{"config": config, "key": s.up.ServerKey()} {
		if err := os.WriteFile(s.path(name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return s.start()
}

// start returns when the daemon has reported that it is ready.
func (s *stage) start() error {
	if s.daemon != nil {
		return errors.New("the daemon runs")
	}
	cmd := exec.Command(s.program, "--config", s.path("config"))
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+s.path("notify"))
	cmd.Stdout, cmd.Stderr = &s.log, &s.log
	if err := cmd.Start(); err != nil {
		return err
	}
	s.daemon = cmd
	_ = s.ready.SetReadDeadline(time.Now().Add(stagePatience))
	report := make([]byte, 4096)
	for {
		n, err := s.ready.Read(report)
		if err != nil {
			return fmt.Errorf("the daemon does not get ready: %w", err)
		}
		if strings.HasPrefix(string(report[:n]), "READY=1") {
			return nil
		}
	}
}

// stop ends the daemon in order.
func (s *stage) stop() error {
	if s.daemon == nil {
		return errors.New("the daemon does not run")
	}
	if err := s.daemon.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	err := s.daemon.Wait()
	s.daemon = nil
	return err
}

// kill ends the daemon at once, if it runs.
func (s *stage) kill() error {
	if s.daemon == nil {
		return nil
	}
	err := s.daemon.Process.Kill()
	_ = s.daemon.Wait() // "signal: killed"
	s.daemon = nil
	return err
}

// freeze returns when every thread of the daemon stands still.
func (s *stage) freeze() error {
	if err := s.daemon.Process.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	for {
		var status syscall.WaitStatus
		_, err := syscall.Wait4(s.daemon.Process.Pid, &status, syscall.WUNTRACED, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case err != nil:
			return fmt.Errorf("wait for the daemon to stand still: %w", err)
		case !status.Stopped():
			return errors.New("the daemon has ended")
		}
		return nil
	}
}

func (s *stage) mint(name, fault string) (string, error) {
	user := s.up.AddUser(standin.User{Name: name, Restricted: fault == "restricted"})
	spec := standin.TokenSpec{Subject: user.ID, Forged: fault == "forged"}
	if fault == "expired" {
		spec.Lifetime = -time.Minute
	}
	p := person{s.up.StackToken(spec), user.ID}
	s.people[name] = p
	return p.token + " " + p.subject, nil
}

func (s *stage) revoke(verb protocol.Verb, kind, name string) error {
	p, ok := s.people[name]
	if !ok {
		return errors.New("no such user")
	}
	value := p.token
	if kind == "subject" {
		value = p.subject
	}
	admin := &client.Client{Socket: s.path("a"), Timeout: stagePatience}
	defer admin.Close()
	_, err := admin.Ask(context.Background(), verb, kind, value)
	return err
}

// serve lets a player in another process say lines, until ctx ends.
func (s *stage) serve(ctx context.Context) (path string, err error) {
	path = s.path("stage")
	_ = os.Remove(path)
	ln, err := net.Listen("unix", path)
	if err != nil {
		return "", err
	}
	context.AfterFunc(ctx, func() { _ = ln.Close() })
	go func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			s.converse(nc) // one player at a time
		}
	}()
	return path, nil
}

func (s *stage) converse(nc net.Conn) {
	defer nc.Close()
	lines := bufio.NewScanner(nc)
	for lines.Scan() {
		answer, err := s.do(lines.Text())
		reply := "ok " + answer
		if err != nil {
			reply = "failed " + strings.ReplaceAll(err.Error(), "\n", "; ")
		}
		if _, err := fmt.Fprintln(nc, strings.TrimSpace(reply)); err != nil {
			return
		}
	}
}
