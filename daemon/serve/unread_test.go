package serve

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/daemon/resolve"
	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/protocol"
)

// TestACallerThatDoesNotReadIsRefusedMoreAndOthersAreNot: the caller fills the room for
// bodies that wait to be sent.
func TestACallerThatDoesNotReadIsRefusedMoreAndOthersAreNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 10_000
		k := newHarness(t, nil)
		k.server.bodies = fair.NewBodies(fair.Shares{Total: 4 * size, Each: 2 * size, Kept: size})
		open := func(uid uint32) *e2e.Talk {
			c := k.connect(uid)
			t.Cleanup(func() { _ = c.Conn.Close() })
			return c
		}
		// Replies that are not read have to come from memory. Otherwise another goroutine
		// would write without end while the connection's goroutine waits for the same lock,
		// and the bubble's clock would stop.
		known := func(line string) string {
			token := strings.TrimPrefix(line, "PROFILE ")
			if v := k.ask(k.claims(token)); v.Status() != protocol.OK {
				t.Fatal(v.Outcome)
			}
			again := k.claims(token)
			again.Level = resolve.LevelProfile
			if _, ok := k.resolver.Recall(again); !ok {
				t.Fatal("memory does not answer")
			}
			return line
		}
		first := known(k.profileOf("user0", size))
		greedy := [2]*e2e.Talk{open(1), open(1)}
		greedy[0].Send(first + "\n")
		greedy[1].Send(known(k.profileOf("user1", size)) + "\n")
		synctest.Wait()
		for _, c := range []struct {
			name, ask string
			uid       uint32
			want      string
		}{
			{"the greedy one's next profile", k.profileOf("user2", size), 1, "ERR busy retry-after=1"},
			{"one that waits for it already", first, 1, "OK level=profile"},
			{"a small one", k.profileOf("user3", MinShared-1), 1, "OK level=profile"},
			{"one of MinShared bytes", k.profileOf("user4", MinShared), 1, "ERR busy retry-after=1"},
			{"another caller", k.profileOf("user5", size), 2, "OK level=profile"},
			{"another caller, for the same", first, 2, "OK level=profile"},
		} {
			if reply := open(c.uid).Ask("%s", c.ask); !strings.HasPrefix(reply, c.want) {
				t.Errorf("%s: %.60s, want %s", c.name, reply, c.want)
			}
		}
		if n := k.counters.Unknown[protocol.CodeBusy].Load(); n != 2 {
			t.Errorf("%d are counted as busy", n)
		}
		if reply := greedy[0].Receive(); !strings.HasPrefix(reply, "OK level=profile") {
			t.Fatalf("%.60s", reply)
		}
		synctest.Wait()
		if reply := open(1).Ask("%s", k.profileOf("user2", size)); !strings.HasPrefix(reply, "OK level=profile") {
			t.Errorf("after it has read one: %.60s", reply)
		}
		_ = greedy[1].Conn.Close()
		synctest.Wait()
		if n := k.server.bodies.Taken(); n != 0 {
			t.Errorf("%d bytes count as waiting when nobody waits", n)
		}
	})
}
