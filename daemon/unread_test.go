package daemon

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/daemon/resolve"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
)

// TestPeersThatDoNotReadCostOneCopyOfAProfile: many connections ask for one
// large profile, several times each, and read nothing. The profile is in memory
// once, and once more if members are withheld from the callers.
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
			if reply := w.dial().Ask("%s", line[:len(line)-1]); head(reply) != "OK" || len(reply) < size*9/10 {
				t.Fatalf("%.80s", reply)
			}
			all := make([]net.Conn, peers)
			before, counted := e2e.Heap(), w.daemon.counters.Totals().Levels[resolve.LevelProfile]
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
			e2e.Until(t, "every profile is answered", func() bool {
				return w.daemon.counters.Totals().Levels[resolve.LevelProfile] == counted+peers
			})
			if n := w.daemon.server.State().UnsentBytes; n < size || n > 3*size {
				t.Errorf("%d bytes count as waiting, for one profile of %d", n, size)
			}
			// The memory that each connection needs in any case is not tested
			// here.
			if grown := e2e.Heap() - before; grown > 4*size+peers*24<<10 {
				t.Errorf("%d bytes for %d peers that do not read", grown, peers)
			}
			if reply := w.dial().Ask("%s", line[:len(line)-1]); head(reply) != "OK" {
				t.Errorf("a peer that reads: %.80s", reply)
			}
			for _, nc := range all {
				_ = nc.Close()
			}
			e2e.Until(t, "nothing is unsent", func() bool { return w.daemon.server.State().UnsentBytes == 0 })
		})
	}
}
