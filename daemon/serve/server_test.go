package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/internal/sockets"
)

func TestUntaggedRepliesKeepTheirOrderAndTaggedOnesDoNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newHarness(t, nil)
		c := k.connect(1)
		defer c.Conn.Close()
		began := time.Now()
		go c.Send(fmt.Sprintf("VERIFY deadline=2000 %s\nPING\n@x VERIFY deadline=1000 %s\nVERIFY %s\n@y PING\nSING\n", k.pend(), k.pend(), k.token("ada")))
		for _, want := range []struct {
			at    time.Duration
			reply string
		}{
			{0, "@y OK"}, {time.Second, "@x ERR deadline"}, {2 * time.Second, "ERR deadline"},
			{2 * time.Second, "OK"}, {2 * time.Second, "OK level=claims"}, {2 * time.Second, "ERR unknown-verb"},
		} {
			reply := c.Receive()
			if at := time.Since(began); !strings.HasPrefix(reply, want.reply) || at != want.at {
				t.Errorf("after %s: %.60s; want %s after %s", at, reply, want.reply, want.at)
			}
		}
	})
}

func TestAFullConnectionIsReadNoFurther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newHarness(t, func(c *config.Config) { c.Limits.InFlightPerConnection = 3 })
		for _, misses := range []int{2, 3, 4} {
			c := k.connect(1)
			began := time.Now()
			go func() {
				for i := range misses {
					c.Send(fmt.Sprintf("@%d VERIFY deadline=1000 %s\n", i, k.pend()))
				}
				c.Send("@ping PING\n")
			}()
			for c.Receive() != "@ping OK" {
				continue
			}
			if waits := time.Since(began) > 0; waits != (misses > 3) {
				t.Errorf("%d in flight: the next line was answered after %s", misses, time.Since(began))
			}
			_ = c.Conn.Close()
			time.Sleep(5 * time.Second)
		}
	})
}

func TestConnectionsAreBoundedInAllForEachUserAndForAdministrators(t *testing.T) {
	k := newHarness(t, func(c *config.Config) { c.Limits.Connections, c.Limits.ConnectionsPerUID = 4, 2 })
	s := k.server
	open := func(uid uint32, admin bool) *conn {
		ours, theirs := net.Pipe()
		t.Cleanup(func() { _, _ = ours.Close(), theirs.Close() })
		return s.register(theirs, sockets.Credentials{UID: uid}, admin)
	}
	var first *conn
	for i, c := range []struct {
		uid  uint32
		good bool
	}{{1, true}, {1, true}, {1, false}, {2, true}, {3, true}, {4, false}, {1, false}} {
		n := open(c.uid, false)
		if (n != nil) != c.good {
			t.Errorf("%d, uid %d: admitted %v", i, c.uid, n != nil)
		}
		if i == 0 {
			first = n
		}
	}
	for i := range MaxAdminConnections + 1 {
		if good := open(1, true) != nil; good != (i < MaxAdminConnections) {
			t.Errorf("administrator %d: admitted %v", i, good)
		}
	}
	s.unregister(first)
	if open(1, false) == nil {
		t.Error("no room after one has left")
	}
	if open(5, false) != nil {
		t.Error("room for one more than there may be")
	}
	if refused := s.counters.TurnedAway.Load(); refused != 5 {
		t.Errorf("%d are counted as turned away, want 5", refused)
	}
}

// TestCallersThatHoldNoConnectionFindOne: five greedy callers, or five greedy
// processes of one user where users are not told apart, do not take all
// connections.
func TestCallersThatHoldNoConnectionFindOne(t *testing.T) {
	k := newHarness(t, func(c *config.Config) { c.Limits.Connections, c.Limits.ConnectionsPerUID = 64, 16 })
	s := k.server
	join := func(uid uint32) *conn {
		ours, theirs := net.Pipe()
		t.Cleanup(func() { _, _ = ours.Close(), theirs.Close() })
		return s.register(theirs, sockets.Credentials{UID: uid}, false)
	}
	for greedy := range uint32(5) {
		for join(greedy) != nil {
			continue
		}
	}
	if free := 64 - len(s.conns); free != fair.Connections(64, 16).Kept-1 { // each caller had its first connection
		t.Errorf("%d are free", free)
	}
	var last *conn
	for i := range fair.Connections(64, 16).Kept - 1 {
		if last = join(uint32(100 + i)); last == nil {
			t.Fatalf("quiet caller %d is turned away", i)
		}
	}
	if join(200) != nil {
		t.Error("one more than there may be")
	}
	s.unregister(last)
	if join(0) != nil || join(200) == nil {
		t.Error("a place that was freed goes to a greedy caller")
	}
}

// faulty is a connection whose Read panics.
type faulty struct{ net.Conn }

func (f faulty) Read([]byte) (int, error) { panic("a fault of ours: eyJhbGciOiJ") }

func TestAPanicEndsItsConnectionOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newHarness(t, nil)
		log := &e2e.Output{}
		k.server.log = slog.New(slog.NewTextHandler(log, nil))
		other := k.connect(1)
		ours, theirs := net.Pipe()
		bad := k.serve(1, false, ours, faulty{theirs})
		if _, err := bad.In.ReadByte(); !errors.Is(err, io.EOF) {
			t.Errorf("the connection is not closed: %v", err)
		}
		if reply := other.Ask("PING"); reply != "OK" {
			t.Errorf("another connection: %s", reply)
		}
		_ = other.Conn.Close()
		k.server.running.Wait()
		if n := k.counters.Panics.Load(); n != 1 || len(k.server.conns) != 0 {
			t.Errorf("%d panics are counted, %d connections are left", n, len(k.server.conns))
		}
		if text := log.String(); !strings.Contains(text, "fault of ours") || strings.Contains(text, "eyJ") {
			t.Errorf("log: %.300s", text)
		}
	})
}

func TestADrainAnswersWhatIsInFlight(t *testing.T) {
	for _, c := range []struct {
		name     string
		deadline int
		took     time.Duration
	}{
		{"idle", 0, drainGrace},
		{"in flight", 2000, 2 * time.Second},
		{"longer than a drain", 30000, 10 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newHarness(t, nil)
				line := k.connect(1)
				if c.deadline > 0 {
					line.Send(fmt.Sprintf("VERIFY deadline=%d %s\n", c.deadline, k.pend()))
				}
				synctest.Wait()
				ended := make(chan string, 1)
				go func() {
					all, _ := io.ReadAll(line.In)
					ended <- string(all)
				}()
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				began := time.Now()
				err := k.server.Drain(ctx)
				if took := time.Since(began); took != c.took {
					t.Errorf("took %s, want %s", took, c.took)
				}
				if err != nil {
					t.Error(err)
				}
				if reply := <-ended; (c.deadline > 0) != strings.HasPrefix(reply, "ERR ") || strings.Count(reply, "\n") > 1 {
					t.Errorf("the lookup in flight got %q", reply)
				}
				if len(k.server.conns) != 0 {
					t.Error("a connection is left")
				}
			})
		})
	}
}

// TestPatienceWithAPeerEnds: what a peer sends, and after which time its
// connection ends.
func TestPatienceWithAPeerEnds(t *testing.T) {
	for _, c := range []struct {
		name, sent  string
		least, most time.Duration
	}{
		{"nothing", "", LineTimeout, LineTimeout},
		{"half a first line", "PIN", LineTimeout, LineTimeout},
		{"a line, then nothing", "PING\n", 5 * time.Minute, 375 * time.Second},
		{"a line and half of one", "PING\nPIN", LineTimeout, LineTimeout},
		{"a lookup, then nothing", "VERIFY x\n", 5 * time.Minute, 375 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newHarness(t, nil)
				line := k.connect(1)
				began := time.Now()
				go line.Send(c.sent)
				_, err := io.Copy(io.Discard, line.In)
				if took := time.Since(began); took < c.least || took > c.most {
					t.Errorf("ended after %s (%v), want %s to %s", took, err, c.least, c.most)
				}
			})
		})
	}
}

func TestAPeerThatDoesNotReadIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newHarness(t, nil)
		line := k.connect(1)
		began := time.Now()
		line.Send("PING\n")
		k.server.running.Wait()
		if took := time.Since(began); took < WriteTimeout || took > 2*WriteTimeout {
			t.Errorf("cut after %s", took)
		}
		_ = line.Conn.Close()
	})
}
