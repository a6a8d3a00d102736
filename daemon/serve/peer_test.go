package serve

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/daemon/resolve"
	"github.com/neonauthd/neonauthd/internal/sockets"
)

// The uid_maps of the host, of a unit with PrivateUsers=yes whose user is 998,
// and of a container with users of its own.
const (
	hostMap      = "         0          0 4294967295\n"
	unitMap      = "         0          0          1\n       998        998          1\n"
	containerMap = "         0     100000      65536\n"
)

func namespace(uidMap string) sockets.UserNamespace {
	return sockets.ReadUserNamespace(strings.NewReader(uidMap))
}

// stranger returns the credentials of a process whose user is not known.
func stranger(pid int32) sockets.Credentials {
	return sockets.Credentials{UID: sockets.OverflowUID, PID: pid}
}

// acceptor makes connections to an idle daemon's server.
type acceptor struct {
	t      *testing.T
	server *Server
}

func newAcceptor(t *testing.T, uidMap string, change func(*config.Config)) acceptor {
	t.Helper()
	c := acceptor{t, newHarness(t, change).server}
	c.server.users = namespace(uidMap)
	return c
}

// accept opens a connection, which may be turned away.
func (c acceptor) accept(from sockets.Credentials) *conn {
	ours, theirs := net.Pipe()
	c.t.Cleanup(func() { _, _ = ours.Close(), theirs.Close() })
	return c.server.register(theirs, from, false)
}

// TestWhereUsersAreNotToldEachProcessHasItsShare: n-1, n and n+1 connections of
// one process, and connections of another process.
func TestWhereUsersAreNotToldEachProcessHasItsShare(t *testing.T) {
	const share = 3
	for _, c := range []struct {
		name, uidMap string
		other        bool // whether another process of the user finds a place after one process has taken its share
	}{
		{"namespace of its own", unitMap, true},
		{"the host's", hostMap, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			acceptor := newAcceptor(t, c.uidMap, func(c *config.Config) { c.Limits.ConnectionsPerUID = share })
			var last *conn
			for n := range share + 1 {
				got := acceptor.accept(stranger(1))
				if (got != nil) != (n < share) {
					t.Errorf("connection %d of %d: admitted %t", n+1, share, got != nil)
				}
				if got != nil {
					last = got
				}
			}
			if got := acceptor.accept(stranger(2)) != nil; got != c.other {
				t.Errorf("another process is admitted: %t", got)
			}
			acceptor.server.unregister(last)
			if acceptor.accept(stranger(1)) == nil || acceptor.accept(stranger(1)) != nil {
				t.Error("a place that was freed is not had, or had twice")
			}
		})
	}
}

func TestSessionCredentialsAreAskedForEachHolder(t *testing.T) {
	for name, c := range map[string]struct {
		uidMap string
		second sockets.Credentials
		allows bool
	}{
		"another process in a namespace": {unitMap, stranger(2), true},
		"another process on the host":    {hostMap, stranger(2), false},
		"another user on the host":       {hostMap, sockets.Credentials{UID: 7, PID: 1}, true},
		"a new connection":               {unitMap, stranger(1), false},
	} {
		t.Run(name, func(t *testing.T) {
			acceptor := newAcceptor(t, c.uidMap, nil)
			asked, neon := 0, acceptor.server.terms.Load().Projects.ByName["neon"]
			allow := func(c *conn) bool {
				asked++
				l := &resolve.Lookup{Project: neon, Token: fmt.Appendf(nil, "made%028d", asked), Level: resolve.LevelProfile, MaxAge: -1, Asker: fair.Asker{ID: c.peer.id}}
				if v, recalled := acceptor.server.resolver.Recall(l); recalled {
					t.Fatal(v.Outcome)
				}
				if !acceptor.server.resolver.Admit(l) {
					return false
				}
				acceptor.server.resolver.Leave(l)
				return true
			}
			first := acceptor.accept(stranger(1))
			for n := range fair.SessionBurst {
				if !allow(first) {
					t.Fatalf("lookup %d of %d is not allowed", n+1, fair.SessionBurst)
				}
			}
			if allow(first) {
				t.Error("one more than the burst is allowed")
			}
			acceptor.server.unregister(first) // no connections are left, but the peer is not forgotten yet
			if got := allow(acceptor.accept(c.second)); got != c.allows {
				t.Errorf("allowed: %t", got)
			}
		})
	}
}

// TestPassersByAreForgotten: millions of processes come and go.
func TestPassersByAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		acceptor := newAcceptor(t, unitMap, nil)
		stays := acceptor.accept(stranger(1))
		for pid := range int32(100_000) {
			if c := acceptor.accept(stranger(2 + pid)); c == nil {
				t.Fatalf("process %d is turned away", pid)
			} else {
				acceptor.server.unregister(c)
			}
		}
		if n := len(acceptor.server.peers); n > minPeers {
			t.Errorf("%d are remembered, one is there", n)
		}
		if acceptor.accept(stranger(1)).peer != stays.peer {
			t.Error("who is there was forgotten")
		}
	})
}

func TestCallersAreUsersAndElsewhereProcesses(t *testing.T) {
	for _, c := range []struct {
		uidMap    string
		one, more sockets.Credentials
		same      bool
	}{
		{hostMap, sockets.Credentials{UID: 7, PID: 1}, sockets.Credentials{UID: 7, PID: 2}, true},
		{hostMap, sockets.Credentials{UID: 7, PID: 1}, sockets.Credentials{UID: 8, PID: 1}, false},
		{hostMap, sockets.Credentials{UID: sockets.OverflowUID, PID: 1}, sockets.Credentials{UID: sockets.OverflowUID, PID: 2}, true},
		{unitMap, sockets.Credentials{UID: 998, PID: 1}, sockets.Credentials{UID: 998, PID: 2}, true},
		{unitMap, sockets.Credentials{UID: sockets.OverflowUID, PID: 1}, sockets.Credentials{UID: sockets.OverflowUID, PID: 2}, false},
		{unitMap, sockets.Credentials{UID: sockets.OverflowUID, GID: 1, PID: 1}, sockets.Credentials{UID: sockets.OverflowUID, GID: 2, PID: 1}, true},
		{unitMap, sockets.Credentials{UID: sockets.OverflowUID}, sockets.Credentials{UID: sockets.OverflowUID}, true},
		{unitMap, sockets.Credentials{UID: 0, PID: 1}, sockets.Credentials{UID: sockets.OverflowUID, PID: 1}, false},
	} {
		n := namespace(c.uidMap)
		if same := callerOf(c.one, n) == callerOf(c.more, n); same != c.same {
			t.Errorf("%q: %+v and %+v count as one: %t", c.uidMap, c.one, c.more, same)
		}
	}
}
