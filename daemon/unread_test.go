package daemon

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/daemon/resolve"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/protocol"
)

// TestPeersThatDoNotReadCostOneCopyOfAProfile: many connections that ask for one
// large profile, several times each, and read nothing. It is in memory once, and
// once more where members are withheld from them.
func TestPeersThatDoNotReadCostOneCopyOfAProfile(t *testing.T) {
	const peers, size = 300, 1 << 20
	for name, rules := range map[string]string{
		"as it is": "",
		"redacted": fmt.Sprintf("[[caller]]\nuid = %d\nwithhold = [\"server_metadata\"]\n\n", os.Getuid()),
	} {
		t.Run(name, func(t *testing.T) {
			w := newLiveDaemon(t, nil)
			if rules != "" {
				w.rewrite("[[project]]", rules+"[[project]]")
			}
			if err := w.daemon.Reload(); err != nil {
				t.Fatal(err)
			}
			w.upstream.Inject(standin.Me, standin.Fault{Kind: standin.PadProfile, Size: size})
			line := "PROFILE " + w.token() + "\n"
			if reply := w.dial().ask("%s", line[:len(line)-1]); head(reply) != "OK" || len(reply) < size*9/10 {
				t.Fatalf("%.80s", reply)
			}
			all := make([]net.Conn, peers)
			before, counted := heap(), w.daemon.ledger.totals().levels[resolve.LevelProfile]
			for i := range all {
				nc, err := net.Dial("unix", w.socket())
				if err != nil {
					t.Fatal(err)
				}
				defer nc.Close()
				if _, err := nc.Write([]byte(strings.Repeat(line, 3))); err != nil {
					t.Fatal(err)
				}
				all[i] = nc
			}
			await(t, func() bool {
				return w.daemon.ledger.totals().levels[resolve.LevelProfile] == counted+peers
			})
			if n := w.daemon.server.bodies.Taken(); n < size || n > 3*size {
				t.Errorf("%d bytes count as waiting, for one profile of %d", n, size)
			}
			// What a connection needs in any case is not what this is about.
			if grown := heap() - before; grown > 4*size+peers*24<<10 {
				t.Errorf("%d bytes for %d peers that do not read", grown, peers)
			}
			if reply := w.dial().ask("%s", line[:len(line)-1]); head(reply) != "OK" {
				t.Errorf("a peer that reads: %.80s", reply)
			}
			for _, nc := range all {
				_ = nc.Close()
			}
			await(t, func() bool { return w.daemon.server.bodies.Taken() == 0 })
		})
	}
}

// profileOf has the daemon fetch a profile of that size, and returns the line that
// asks for it with another token.
func (k *idleDaemon) profileOf(subject string, size int) string {
	k.t.Helper()
	body := fmt.Sprintf(`{"id":%q,"a":""}`, subject)
	body = body[:len(body)-2] + strings.Repeat("x", size-len(body)) + body[len(body)-2:]
	k.upstream.Inject(standin.Me, standin.Fault{Kind: standin.Answer, Body: body, Header: map[string][]string{"Content-Type": {"application/json"}}, Times: 1})
	v, _ := k.askFully(&resolve.Lookup{Project: k.project("stack"), Token: []byte(k.token(subject)), Level: resolve.LevelProfile, MaxAge: -1})
	if wantAccepted(k.t, "profile", v); len(v.Body) != size {
		k.t.Fatalf("a profile of %d bytes, want %d", len(v.Body), size)
	}
	return "PROFILE " + k.token(subject)
}

// TestACallerThatDoesNotReadIsRefusedMoreAndOthersAreNot fills the room for
// bodies that wait to be sent.
func TestACallerThatDoesNotReadIsRefusedMoreAndOthersAreNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 10_000
		k := newIdleDaemon(t, nil)
		k.daemon.server.bodies = fair.NewBodies(fair.Shares{Total: 4 * size, Each: 2 * size, Kept: size})
		open := func(uid uint32) *talk {
			c := k.connect(uid)
			t.Cleanup(func() { _ = c.nc.Close() })
			return c
		}
		first := k.profileOf("user0", size)
		greedy := [2]*talk{open(1), open(1)}
		greedy[0].send(first + "\n")
		greedy[1].send(k.profileOf("user1", size) + "\n")
		synctest.Wait()
		for _, c := range []struct {
			name, ask string
			uid       uint32
			want      string
		}{
			{"the greedy one's next profile", k.profileOf("user2", size), 1, "ERR busy retry-after=1"},
			{"one that waits for it already", first, 1, "OK level=profile"},
			{"a small one", k.profileOf("user3", minShared-1), 1, "OK level=profile"},
			{"one of minShared bytes", k.profileOf("user4", minShared), 1, "ERR busy retry-after=1"},
			{"another caller", k.profileOf("user5", size), 2, "OK level=profile"},
			{"another caller, for the same", first, 2, "OK level=profile"},
		} {
			if reply := open(c.uid).ask("%s", c.ask); !strings.HasPrefix(reply, c.want) {
				t.Errorf("%s: %.60s, want %s", c.name, reply, c.want)
			}
		}
		if n := k.daemon.ledger.unknowns[protocol.CodeBusy].Load(); n != 2 {
			t.Errorf("%d are counted as busy", n)
		}
		if reply := greedy[0].receive(); !strings.HasPrefix(reply, "OK level=profile") {
			t.Fatalf("%.60s", reply)
		}
		synctest.Wait()
		if reply := open(1).ask("%s", k.profileOf("user2", size)); !strings.HasPrefix(reply, "OK level=profile") {
			t.Errorf("after it has read one: %.60s", reply)
		}
		_ = greedy[1].nc.Close()
		synctest.Wait()
		if n := k.daemon.server.bodies.Taken(); n != 0 {
			t.Errorf("%d bytes count as waiting when nobody waits", n)
		}
	})
}
