package daemon

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/resolve"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/internal/e2e/need"
	"github.com/neonauthd/neonauthd/internal/program"
	"github.com/neonauthd/neonauthd/protocol"
)

// managed restarts the daemon under a service manager that is a socket, with
// the watchdog at limit (0: none). What the manager is told comes through the
// channel.
func (w *liveDaemon) managed(limit string) <-chan string {
	w.t.Helper()
	w.halt()
	told := make(chan string, 4096)
	path := filepath.Join(w.dir, "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		w.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		buf := make([]byte, 4096)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			told <- string(buf[:n])
		}
	}()
	w.t.Cleanup(func() { _ = conn.Close(); <-ended })
	w.t.Setenv("NOTIFY_SOCKET", path)
	w.t.Setenv("WATCHDOG_PID", "")
	w.t.Setenv("WATCHDOG_USEC", limit)
	w.startTelling(program.Notify)
	w.t.Cleanup(w.halt)
	return told
}

// hear waits until the manager is told something that begins with prefix.
func (w *liveDaemon) hear(told <-chan string, prefix string) string {
	w.t.Helper()
	timeout := time.After(testTimeout)
	for {
		select {
		case state := <-told:
			if strings.HasPrefix(state, prefix) {
				return state
			}
		case <-timeout:
			w.t.Fatalf("the service manager was not told %s", prefix)
		}
	}
}

// self returns the self-check of the daemon.
func (w *liveDaemon) self() *selfCheck {
	return &selfCheck{daemon: w.daemon, addr: &net.UnixAddr{Name: w.socket(), Net: "unix"}}
}

func TestWatchdogIsFedByLookupsAlone(t *testing.T) {
	w := newLiveDaemon(t, nil)
	told := w.managed("600000") // 0.6 s
	w.hear(told, "READY=1")
	w.hear(told, "WATCHDOG=1")
	w.hear(told, "WATCHDOG=1")

	logged := func() int { return strings.Count(w.log.String(), "does not answer itself") }
	failed, before := w.daemon.selfLookups.failed.Load(), logged() // there may be some failures if the machine is too slow
	w.admitting.Lock()                                             // no connection is admitted any more
	e2e.Until(t, "a lookup of the watchdog fails", func() bool { return w.daemon.selfLookups.failed.Load() > failed })
	for len(told) > 0 { // read what was told earlier
		<-told
	}
	e2e.Until(t, "two more fail", func() bool { return w.daemon.selfLookups.failed.Load() > failed+2 })
	for len(told) > 0 {
		if state := <-told; strings.HasPrefix(state, "WATCHDOG") {
			t.Error("a wedged daemon fed the watchdog")
		}
	}
	w.admitting.Unlock()
	w.hear(told, "WATCHDOG=1")
	if n := logged() - before; n != 1 {
		t.Errorf("a run of failures was logged %d times", n)
	}
}

func TestWatchdogIsLeftAloneWithoutOne(t *testing.T) {
	w := newLiveDaemon(t, nil)
	told := w.managed("")
	w.hear(told, "READY=1")
	w.halt()
	for len(told) > 0 {
		if state := <-told; strings.HasPrefix(state, "WATCHDOG") {
			t.Errorf("told %q without a watchdog", state)
		}
	}
	if n := w.daemon.selfLookups.ok.Load(); n != 0 {
		t.Errorf("%d self-lookups without a watchdog", n)
	}
}

func TestSelfLookupGoesThroughTheCacheAndNoFurther(t *testing.T) {
	w := newLiveDaemon(t, nil)
	w.dial().Ask("VERIFY %s", w.token())
	calls := func() (n int) {
		for _, e := range standin.Endpoints() {
			n += w.upstream.Calls(e)
		}
		return n
	}
	e2e.Until(t, "all projects have keys", func() bool { return strings.HasPrefix(w.daemon.status(), "3 of 3") })
	before, sets := calls(), w.daemon.report()
	s := w.self()
	for range 3 {
		if err := s.ask(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if after := calls(); after != before {
		t.Errorf("self-lookups cost %d upstream calls", after-before)
	}
	v, recalled := w.daemon.resolver.Recall(&resolve.Lookup{Project: w.daemon.projects().First, Token: w.daemon.selfToken, Level: resolve.LevelClaims})
	if !recalled || v.Reason() != protocol.ReasonWrongAlgorithm {
		t.Error("the self-lookup left no verdict in memory: it did not get there")
	}
	after := w.daemon.report()
	for o, n := range sets.Outcomes {
		if after.Outcomes[o] != n {
			t.Errorf("self-lookups were counted as %s lookups", o)
		}
	}
	if n := w.daemon.selfLookups.ok.Load(); n != 3 {
		t.Errorf("%d self-lookups counted, want 3", n)
	}
}

func TestSelfLookupTakesARefusalForAnAnswer(t *testing.T) {
	other := uint32(os.Geteuid() + 1)
	w := newLiveDaemon(t, func(c *config.Config) { c.Callers = []config.Caller{{UID: &other}} })
	s := w.self()
	for range 2 {
		if err := s.ask(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(w.log.String(), "refused by the [[caller]] rules"); n != 1 {
		t.Errorf("it was said %d times that the rules leave out the daemon's own user", n)
	}
}

func TestSelfLookupTakesAFullHouseForAnAnswer(t *testing.T) {
	w := newLiveDaemon(t, func(c *config.Config) { c.Limits.Connections = 1 })
	w.dial().Ask("PING")
	if err := w.self().ask(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestSelfLookupWorksWithoutKeys(t *testing.T) {
	w := newLiveDaemon(t, func(c *config.Config) {
		c.Projects = c.Projects[1:2]
		c.Projects[0].BaseURL, c.Projects[0].JWKSURL = "http://127.0.0.1:9/neondb/auth", "" // nothing answers on port 9
	})
	if err := w.self().askInTime(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestSelfLookupPastASocketThatBarsUs(t *testing.T) {
	w := newLiveDaemon(t, nil)
	nc, err := w.daemon.server.Pair(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if _, err := nc.Write([]byte("PING\n")); err != nil {
		t.Fatal(err)
	}
	reply := make([]byte, 3)
	if _, err := nc.Read(reply); err != nil || string(reply) != "OK\n" {
		t.Errorf("%q, %v", reply, err)
	}
	need.Host(t, os.Geteuid() != 0, "root is barred from no socket: that the other way is taken then was not checked")
	if err := os.Chmod(w.socket(), 0); err != nil {
		t.Fatal(err)
	}
	if err := w.self().ask(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestSelfLookupFailsWithoutASocket(t *testing.T) {
	w := newLiveDaemon(t, nil)
	if err := os.Remove(w.socket()); err != nil {
		t.Fatal(err)
	}
	if err := w.self().ask(t.Context()); err == nil {
		t.Error("a lookup through a socket that is not there succeeded")
	}
}

func TestSelfLookupJudgesReplies(t *testing.T) {
	s := newIdleDaemon(t, nil)
	for _, test := range []struct {
		reply string
		ready bool
		want  error
	}{
		{"NO wrong-algorithm", true, nil},
		{"ERR forbidden no rule", true, nil},
		{"ERR busy retry-after=1", true, nil},
		{"ERR keys-pending retry-after=1", false, nil},
		{"ERR deadline", false, nil},
		{"ERR deadline", true, errSelfMistaken}, // the project has keys, so there is nothing to wait for
		{"ERR bad-request", true, errSelfMistaken},
		{"NO unknown-key", true, errSelfMistaken},
		{"OK level=claims project=main sub=x age=0 ttl=60 exp=1 source=cache {}", true, errSelfAccepted},
	} {
		asker := &selfCheck{daemon: s.daemon}
		if err := asker.judge(test.reply, test.ready); !errors.Is(err, test.want) {
			t.Errorf("%s (ready %v): %v, want %v", test.reply, test.ready, err, test.want)
		}
	}
	if err := (&selfCheck{daemon: s.daemon}).judge("what", true); err == nil {
		t.Error("nonsense was taken for an answer")
	}
}
