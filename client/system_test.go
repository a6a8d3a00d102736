package client_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/daemon/fleet"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/protocol"
)

// systemTimeout is the time limit for each single thing that the system does.
const systemTimeout = 20 * time.Second

// system is the real daemon, as a process, and the stand-in upstream, for
// players of testdata/behaviours in any language.
type system struct {
	program string // the daemon's
	folder  *e2e.Folder
	up      *e2e.Upstream
	daemon  *e2e.Process // nil: not running
	engine  *e2e.Process // of the daemon's fleet; nil: not running
	people  map[string]person
}

type person struct{ token, subject string }

// buildDaemon builds the program under test.
func buildDaemon(t testing.TB) string {
	t.Helper()
	return e2e.Build(t, "neonauthd")
}

func newSystem(t testing.TB, program string) *system {
	t.Helper()
	s := &system{program: program, folder: e2e.NewFolder(t), up: e2e.NewUpstream(t, standin.Options{TokenLifetime: time.Hour})}
	t.Cleanup(func() {
		if s.daemon != nil && t.Failed() {
			t.Logf("the daemon's log:\n%s", s.daemon.Written())
		}
		s.kill()
		s.deafen()
	})
	return s
}

func (s *system) path(name string) string { return s.folder.Path(name) }

// do runs one line; testdata/behaviours/README.md lists what lines there are.
func (s *system) do(line string) (string, error) {
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
		s.kill()
		return "", s.start()
	case "join":
		return "", errors.Join(s.hear(), s.stop(), s.configure("[fleet]\nname = \"test\"\nurls = [\"unix://"+s.path("engine")+"\"]\nkeys = [\"./fleet-key\"]\n"), s.start())
	case "deafen":
		s.deafen()
		return "", nil
	case "hear":
		return "", s.hear()
	case "freeze":
		return "", s.freeze()
	case "thaw":
		return "", s.daemon.Cmd.Process.Signal(syscall.SIGCONT)
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
	return "", errors.New("the system has no such line")
}

func (s *system) reset() error {
	s.kill()
	s.deafen()
	s.up.ClearAll()
	s.people = map[string]person{}
	return errors.Join(os.RemoveAll(s.path("state")), s.configure(""), s.start())
}

// configure writes the daemon's files; table is added to the configuration.
func (s *system) configure(table string) error {
	config := fmt.Sprintf("socket = %q\nadmin_socket = %q\nstate_dir = %q\n\n", s.path("s"), s.path("a"), s.path("state")) + table +
		strings.Replace(s.up.ConfigBlock(standin.Stack, s.path("key")), `name = "stack"`, "name = \"main\"\njwks_cooldown = \"100ms\"", 1)
	for name, text := range map[string]string{"config": config, "key": s.up.ServerKey(), "fleet-key": fleet.GenerateKey()} {
		if err := os.WriteFile(s.path(name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// hear starts the engine of the daemon's fleet, unless it runs.
func (s *system) hear() error {
	if s.engine != nil {
		return nil
	}
	var err error
	s.engine, err = e2e.Begin(s.folder.Dir, exec.Command("redis-server", "--port", "0", "--unixsocket", s.path("engine"), "--dir", s.folder.Dir, "--save", ""))
	return err
}

// deafen kills the engine.
func (s *system) deafen() {
	if s.engine != nil {
		_ = s.engine.End(syscall.SIGKILL) // "signal: killed"
		s.engine = nil
	}
}

// start returns when the daemon has reported that it is ready.
func (s *system) start() error {
	if s.daemon != nil {
		return errors.New("the daemon runs")
	}
	var err error
	if s.daemon, err = e2e.Begin(s.folder.Dir, exec.Command(s.program, "--config", s.path("config"))); err != nil {
		return err
	}
	_, err = s.daemon.State("READY=1")
	return err
}

// stop ends the daemon by its ordinary shutdown.
func (s *system) stop() error {
	if s.daemon == nil {
		return errors.New("the daemon does not run")
	}
	err := s.daemon.End(syscall.SIGTERM)
	s.daemon = nil
	return err
}

// kill ends the daemon at once, if it runs.
func (s *system) kill() {
	if s.daemon != nil {
		_ = s.daemon.End(syscall.SIGKILL) // "signal: killed"
		s.daemon = nil
	}
}

// freeze stops the daemon, and returns when all its threads stand still.
func (s *system) freeze() error { return s.daemon.Stand() }

func (s *system) mint(name, fault string) (string, error) {
	user := s.up.AddUser(standin.User{Name: name, Restricted: fault == "restricted"})
	spec := standin.TokenSpec{Subject: user.ID, Forged: fault == "forged"}
	if fault == "expired" {
		spec.Lifetime = -time.Minute
	}
	p := person{s.up.StackToken(spec), user.ID}
	s.people[name] = p
	return p.token + " " + p.subject, nil
}

func (s *system) revoke(verb protocol.Verb, kind, name string) error {
	p, ok := s.people[name]
	if !ok {
		return errors.New("no such user")
	}
	value := p.token
	if kind == "subject" {
		value = p.subject
	}
	admin := &client.Client{Socket: s.path("a"), Timeout: systemTimeout}
	defer admin.Close()
	_, err := admin.Ask(context.Background(), verb, kind, value)
	return err
}

// serve lets a player in another process say lines, until ctx ends.
func (s *system) serve(ctx context.Context) (path string, err error) {
	path = s.path("system")
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

func (s *system) converse(nc net.Conn) {
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
