package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/pause"
	"github.com/neonauthd/neonauthd/protocol"
)

const (
	// killsVariable sets how many kills there are.
	killsVariable = "NEONAUTHD_KILLS"
	fewKills      = 20
	// maxLife is the longest that a daemon lives: long enough to answer a while,
	// short enough that many are killed while they start.
	maxLife = 120 * time.Millisecond
)

// TestKilledAgainAndAgainTheDaemonRefusesNobodyAndMistakesNothing kills daemons
// under load at random moments. A service manager's part is played here: the
// sockets are ours, so they outlive every daemon.
func TestKilledAgainAndAgainTheDaemonRefusesNobodyAndMistakesNothing(t *testing.T) {
	kills := fewKills
	if text := os.Getenv(killsVariable); text != "" {
		var err error
		if kills, err = strconv.Atoi(text); err != nil {
			t.Fatalf("%s: %v", killsVariable, err)
		}
	}
	dir := folder(t)
	l := &load{socket: filepath.Join(dir, "neonauthd.sock"), questions: prepare(t, dir), pause: time.Millisecond, timeout: time.Minute}
	m := manage(t, dir)

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var asking sync.WaitGroup
	asking.Go(func() { l.run(ctx, 4, 4) })
	for range kills {
		d := m.start(t)
		pause.For(t.Context(), rand.N(maxLife))
		d.kill(t)
	}
	last := m.start(t)
	stop()
	asking.Wait()
	last.kill(t)

	var report strings.Builder
	err := l.tally.report(&report)
	t.Logf("%d kills: %s", kills, report.String())
	c := &l.tally
	if err != nil || c.refused+c.unanswered+c.judged[wrong]+c.judged[unknown] > 0 {
		t.Error("every question has one right answer, whatever happens meanwhile")
	}
	if c.judged[right] < kills || c.lostNew+c.lostKept == 0 {
		t.Error("too little was asked, or nothing was under way when the daemon was killed: this has shown nothing")
	}
}

// prepare starts an upstream, writes a daemon's configuration, and returns
// questions about some of the upstream's tokens.
func prepare(t *testing.T, dir string) []question {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	upstream := standin.New(standin.Options{BaseURL: "http://" + ln.Addr().String(), TokenLifetime: time.Hour})
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = upstream.Run(ctx, ln) }()
	t.Cleanup(func() { stop(); <-done })

	config := fmt.Sprintf("state_dir = %q\n%s", filepath.Join(dir, "state"), upstream.ConfigBlock(standin.Stack, "./server-key"))
	for name, text := range map[string]string{"neonauthd.toml": config, "server-key": upstream.ServerKey()} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	no := func(reason string, spec standin.TokenSpec) question {
		return question{status: protocol.NO, word: reason, token: upstream.StackToken(spec)}
	}
	questions := []question{no("bad-signature", standin.TokenSpec{Forged: true}), no("expired", standin.TokenSpec{Lifetime: -time.Minute})}
	for n := range 4 {
		user := upstream.AddUser(standin.User{Name: fmt.Sprintf("User %d", n)})
		questions = append(questions, question{status: protocol.OK, word: user.ID, token: upstream.StackToken(standin.TokenSpec{Subject: user.ID})})
	}
	return questions
}

// manager holds the sockets and starts daemons on them.
type manager struct {
	program, config string
	sockets         []*os.File
}

// manage builds the daemon and opens its sockets.
func manage(t *testing.T, dir string) *manager {
	t.Helper()
	m := &manager{program: filepath.Join(dir, "neonauthd"), config: filepath.Join(dir, "neonauthd.toml")}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", m.program, "../../../cmd/neonauthd")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	for _, name := range []string{"neonauthd.sock", "admin.sock"} {
		ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, name), Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		file, err := ln.File()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { file.Close(); ln.Close() })
		m.sockets = append(m.sockets, file)
	}
	return m
}

// running is a daemon's process.
type running struct {
	cmd    *exec.Cmd
	stderr strings.Builder
}

// start passes the sockets as systemd does (sd_listen_fds(3)). The shell knows
// the process's id, which it keeps.
func (m *manager) start(t *testing.T) *running {
	t.Helper()
	d := &running{cmd: exec.Command("/bin/sh", "-c", `LISTEN_PID=$$ exec "$0" "$@"`, m.program, "--config", m.config)}
	d.cmd.Env = append(os.Environ(), "LISTEN_FDS=2", "LISTEN_FDNAMES=neonauthd:neonauthd-admin", "NOTIFY_SOCKET=")
	d.cmd.ExtraFiles = m.sockets
	d.cmd.Stderr = &d.stderr
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return d
}

// kill ends the process at once, and fails the test if it had ended by itself.
func (d *running) kill(t *testing.T) {
	t.Helper()
	_ = d.cmd.Process.Kill()
	var exit *exec.ExitError
	if err := d.cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != -1 {
		t.Fatalf("the daemon ended by itself (%v):\n%s", err, d.stderr.String())
	}
}
