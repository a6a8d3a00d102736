package daemon

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/daemon/resolve"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/sockets"
	"github.com/neonauthd/neonauthd/protocol"
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

// stranger is a process of whom no user is known.
func stranger(pid int32) sockets.Credentials {
	return sockets.Credentials{UID: sockets.OverflowUID, PID: pid}
}

// crowd makes connections to an idle daemon's server.
type crowd struct {
	t      *testing.T
	server *server
}

func newCrowd(t *testing.T, uidMap string, change func(*config.Config)) crowd {
	t.Helper()
	c := crowd{t, newIdleDaemon(t, change).daemon.server}
	c.server.users = namespace(uidMap)
	return c
}

// join opens a connection, which may be turned away.
func (c crowd) join(from sockets.Credentials) *conn {
	ours, theirs := net.Pipe()
	c.t.Cleanup(func() { _, _ = ours.Close(), theirs.Close() })
	return c.server.register(theirs, from, false)
}

// TestWhereUsersAreNotToldEachProcessHasItsShare: n-1, n and n+1 connections of
// one process, beside those of another.
func TestWhereUsersAreNotToldEachProcessHasItsShare(t *testing.T) {
	const share = 3
	for _, c := range []struct {
		name, uidMap string
		other        bool // whether another process of the user has a place, when one has taken its share
	}{
		{"namespace of its own", unitMap, true},
		{"the host's", hostMap, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			crowd := newCrowd(t, c.uidMap, func(c *config.Config) { c.Limits.ConnectionsPerUID = share })
			var last *conn
			for n := range share + 1 {
				got := crowd.join(stranger(1))
				if (got != nil) != (n < share) {
					t.Errorf("connection %d of %d: admitted %t", n+1, share, got != nil)
				}
				if got != nil {
					last = got
				}
			}
			if got := crowd.join(stranger(2)) != nil; got != c.other {
				t.Errorf("another process is admitted: %t", got)
			}
			crowd.server.unregister(last)
			if crowd.join(stranger(1)) == nil || crowd.join(stranger(1)) != nil {
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
			crowd := newCrowd(t, c.uidMap, nil)
			asked, neon := 0, crowd.server.state.Load().projects.byName["neon"]
			allow := func(c *conn) bool {
				asked++
				l := &resolve.Lookup{Project: neon, Token: fmt.Appendf(nil, "made%028d", asked), Level: resolve.LevelProfile, MaxAge: -1, Asker: fair.Asker{ID: c.peer.id}}
				if v, recalled := crowd.server.resolver.Recall(l); recalled {
					t.Fatal(v.Outcome)
				}
				if !crowd.server.resolver.Admit(l) {
					return false
				}
				crowd.server.resolver.Leave(l)
				return true
			}
			first := crowd.join(stranger(1))
			for n := range fair.SessionBurst {
				if !allow(first) {
					t.Fatalf("lookup %d of %d is not allowed", n+1, fair.SessionBurst)
				}
			}
			if allow(first) {
				t.Error("one more than the burst is allowed")
			}
			crowd.server.unregister(first) // gone, and not forgotten
			if got := allow(crowd.join(c.second)); got != c.allows {
				t.Errorf("allowed: %t", got)
			}
		})
	}
}

// TestPassersByAreForgotten: processes come and go by the million.
func TestPassersByAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crowd := newCrowd(t, unitMap, nil)
		stays := crowd.join(stranger(1))
		for pid := range int32(100_000) {
			if c := crowd.join(stranger(2 + pid)); c == nil {
				t.Fatalf("process %d is turned away", pid)
			} else {
				crowd.server.unregister(c)
			}
		}
		if n := len(crowd.server.peers); n > minPeers {
			t.Errorf("%d are remembered, one is there", n)
		}
		if crowd.join(stranger(1)).peer != stays.peer {
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

// TestOneVisitorsCredentialsAreNoOtherVisitors: a web server tells its visitors
// apart, and one of them asks about many that are made up.
func TestOneVisitorsCredentialsAreNoOtherVisitors(t *testing.T) {
	w := newLiveDaemon(t, func(c *config.Config) {
		withoutOIDC(c)
		c.Projects[1].UpstreamRate = 10_000 // not what this is about
	})
	made := func(of string, n int) string { return fmt.Sprintf("%s%032d", of, n) }
	ask := func(k *talk, label, credential string) string {
		return k.ask("PROFILE project=neon for=%s %s", label, credential)
	}
	k := w.dial()
	for n := range fair.SessionBurst + 9 {
		if reply := ask(k, "junk", made("j", n)); (head(reply) == "ERR busy") != (n >= fair.SessionBurst) {
			t.Fatalf("made up, %d: %s", n, reply)
		}
	}
	for n := range fair.SessionBurst + 9 {
		if reply := ask(k, fmt.Sprint("visitor", n), made("v", n)); head(reply) == "ERR busy" {
			t.Fatalf("another visitor, %d: %s", n, reply)
		}
	}
	for n := range fair.SessionBurst {
		if reply := k.ask("PROFILE project=neon %s", made("o", n)); head(reply) == "ERR busy" {
			t.Fatalf("the caller itself, %d: %s", n, reply)
		}
	}
	if reply := w.dial().ask("PROFILE project=neon %s", made("o", fair.SessionBurst)); head(reply) != "ERR busy" {
		t.Errorf("one more of the caller itself: %s", reply)
	}
}

// TestALabelChangesNoAnswer asks the same with and without, and with wrong ones.
func TestALabelChangesNoAnswer(t *testing.T) {
	w := newLiveDaemon(t, withoutOIDC)
	k, good := w.dial(), w.token()
	forged := w.upstream.StackToken(standin.TokenSpec{Subject: w.user.ID, Forged: true})
	k.ask("PROFILE %s", good)
	for _, verb := range []string{"VERIFY", "PROFILE", "PROFILE max-age=60"} {
		for _, token := range []string{good, forged, "x"} {
			want := k.ask("%s %s", verb, token)
			for _, label := range []string{"a", "-_09azAZ", strings.Repeat("x", protocol.MaxFor)} {
				if reply := k.ask("%s for=%s %s", verb, label, token); reply != want {
					t.Errorf("%s for=%s: %.80s, want %.80s", verb, label, reply, want)
				}
			}
			for _, label := range []string{"", ".", "a.b", "%61", "a,b", "@a", strings.Repeat("x", protocol.MaxFor+1)} {
				if reply := k.ask("%s for=%s %s", verb, label, token); head(reply) != "ERR bad-request" {
					t.Errorf("%s for=%s: %.80s", verb, label, reply)
				}
			}
		}
	}
}
