package daemon

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/daemon/resolve"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
)

// TestAConnectionKeepsItsPlaceUntilItsPeerHasReadOrLeft: unread bytes in the
// kernel count against the daemon's memory even after the daemon has closed the
// connection.
func TestAConnectionKeepsItsPlaceUntilItsPeerHasReadOrLeft(t *testing.T) {
	for name, c := range map[string]struct {
		leave func(t *testing.T, nc *net.UnixConn)
		freed bool
	}{
		"reads nothing": {func(*testing.T, *net.UnixConn) {}, false},
		"reads a part": {func(t *testing.T, nc *net.UnixConn) {
			if _, err := io.ReadFull(nc, make([]byte, 10_000)); err != nil {
				t.Fatal(err)
			}
		}, false},
		"reads all": {func(t *testing.T, nc *net.UnixConn) {
			if n, err := io.Copy(io.Discard, nc); err != nil || n < 90_000 {
				t.Fatal(n, err)
			}
		}, true},
		"leaves": {func(_ *testing.T, nc *net.UnixConn) { _ = nc.Close() }, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newLiveDaemon(t, func(c *config.Config) { c.Limits.ConnectionsPerUID = 1 })
			w.upstream.Inject(standin.Me, standin.Fault{Kind: standin.PadProfile, Size: 100_000})
			nc, err := net.Dial("unix", w.socket())
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close() // after the daemon's end, because the daemon does not wait for it
			defer w.halt()
			u := nc.(*net.UnixConn)
			if _, err := u.Write([]byte("PROFILE " + w.token() + "\n")); err != nil {
				t.Fatal(err)
			}
			if err := u.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			e2e.Until(t, "the profile is answered", func() bool { return w.daemon.counters.Totals().Levels[resolve.LevelProfile] == 1 })
			c.leave(t, u)
			if c.freed {
				e2e.Until(t, "the connection is served", func() bool { return w.served() })
				return
			}
			for range 20 { // the daemon checks less and less often, but often enough for these tries
				if w.served() {
					t.Fatal("its place was given to another")
				}
			}
		})
	}
}

// served reports whether a connection is served and not turned away.
func (w *liveDaemon) served() bool {
	k := w.dial()
	defer k.Conn.Close()
	_, _ = k.Conn.Write([]byte("PING\n")) // may fail if the connection is turned away
	reply, _ := k.In.ReadString('\n')
	return reply == "OK\n"
}

// TestPeersThatWereTurnedAwayAreToldWhyUpToABound: the last connection of a
// caller that gets a reason, and the next one, which is closed without a reason.
func TestPeersThatWereTurnedAwayAreToldWhyUpToABound(t *testing.T) {
	w := newLiveDaemon(t, func(c *config.Config) { c.Limits.ConnectionsPerUID = 1 })
	w.dial().Ask("PING")
	all := make([]net.Conn, fair.Notices().Each+1)
	for i := range all {
		nc, err := net.Dial("unix", w.socket())
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		all[i] = nc
	}
	e2e.Until(t, "all others are turned away", func() bool { return w.daemon.counters.TurnedAway.Load() == uint64(len(all)) })
	for i, nc := range all {
		text, err := io.ReadAll(nc)
		if told := strings.HasPrefix(string(text), "ERR busy"); told != (i < fair.Notices().Each) || err != nil {
			t.Fatalf("connection %d is told %q, %v", i, text, err)
		}
	}
	e2e.Until(t, "a connection is told that there is no room", func() bool { // after all reasons were read, there is room for others
		line, _ := bufio.NewReader(w.dial().Conn).ReadString('\n')
		return strings.HasPrefix(line, "ERR busy")
	})
}

// TestAPeerThatWasTurnedAwayIsToldWhyAfterItsRequest: a client that sends its
// request before it reads gets no EPIPE, after which some read nothing any more.
func TestAPeerThatWasTurnedAwayIsToldWhyAfterItsRequest(t *testing.T) {
	w := newLiveDaemon(t, func(c *config.Config) { c.Limits.ConnectionsPerUID = 1 })
	w.dial().Ask("PING")
	all := make([]net.Conn, fair.Notices().Each)
	for i := range all {
		all[i] = w.dial().Conn
	}
	e2e.Until(t, "all others are turned away", func() bool { return w.daemon.counters.TurnedAway.Load() == uint64(len(all)) })
	for i, nc := range all {
		_, err := nc.Write([]byte("PING\n"))
		if line, _ := bufio.NewReader(nc).ReadString('\n'); err != nil || !strings.HasPrefix(line, "ERR busy") {
			t.Errorf("connection %d: its request fails with %v, and then it reads %q", i, err, line)
		}
	}
}
