package fleet_test

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/neonauthd/neonauthd/daemon/fleet"
)

// TestAHostWithAWrongKeyIsNotReached gives a host another key, by a reload and by a
// restart. It keeps its id, and it accepts what the others have revoked: REVOKE must
// not say that the revocation is in force everywhere.
func TestAHostWithAWrongKeyIsNotReached(t *testing.T) {
	w := newFleet(t, 2, "")
	good, err := os.ReadFile(w.hosts[0].Path("fleet-key"))
	if err != nil {
		t.Fatal(err)
	}
	last := w.hosts[1]
	for what, change := range map[string]func(){
		"reload": func() {
			if reply := last.ask("RELOAD"); !strings.HasPrefix(reply, "OK") {
				t.Fatal(reply)
			}
		},
		"restart": func() {
			if err := last.process().End(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if err := last.start(); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(what, func(t *testing.T) {
			u := w.user(what)
			last.Write(t, "fleet-key", fleet.GenerateKey()+"\n")
			change()
			w.await("the other host sees the key", func() bool { return strings.Contains(w.hosts[0].ask("FLEET"), `"state":"other-key"`) })
			// On a busy machine a host may hear nothing for a while, or be late and count as silent.
			w.await("REVOKE says that one of two is reached", func() bool {
				reply := w.hosts[0].ask("REVOKE subject " + u.id)
				if strings.Contains(reply, " reached=2 ") || strings.Contains(reply, " of=1") {
					t.Fatal(reply)
				}
				return strings.HasPrefix(reply, "OK ") && strings.HasSuffix(reply, " reached=1 of=2")
			})
			last.Write(t, "fleet-key", string(good))
			change()
			w.await("it is reached again", func() bool { return strings.HasSuffix(w.hosts[0].ask("REVOKE subject "+u.id), " reached=2 of=2") })
		})
	}
}
