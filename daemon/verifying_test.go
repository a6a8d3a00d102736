package daemon

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/neonauthd/neonauthd/daemon/fair"
)

// TestAnswersFromMemoryWaitForNoVerification: another caller's verification has
// the one place there is at the gate.
func TestAnswersFromMemoryWaitForNoVerification(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newIdleDaemon(t, nil)
		known := k.token("ada")
		wantAccepted(t, "beforehand", k.ask(k.project("stack"), known))
		gate := fair.NewGate(fair.Shares{Total: 1, Each: 1})
		k.daemon.resolver.verifications = gate
		greedy := fair.Asker{ID: fair.ID{UID: 9}}
		if err := gate.Enter(t.Context(), greedy); err != nil {
			t.Fatal(err)
		}
		began := k.daemon.resolver.flights.Stats().Started
		c := k.connect(1)
		defer c.nc.Close()
		for i := range 5 {
			c.send(fmt.Sprintf("@miss%d VERIFY %s\n", i, k.token("bob")))
		}
		synctest.Wait()
		if n := gate.Waiting(); n != 5 {
			t.Fatalf("%d wait at the gate", n)
		}
		for _, ask := range []string{"VERIFY " + known, "PING", "VERIFY x", k.profileOf("ada", 100)} {
			// The last is of a token never seen, so it waits; its deadline is short.
			if reply := c.ask("@hit %s", strings.Replace(ask, "PROFILE ", "PROFILE deadline=1 ", 1)); !strings.HasPrefix(reply, "@hit ") {
				t.Errorf("%.20s waits: %.60s", ask, reply)
			} else if strings.HasPrefix(ask, "PROFILE") != strings.HasPrefix(reply, "@hit ERR deadline") {
				t.Errorf("%.20s: %.60s", ask, reply)
			}
		}
		if n := k.daemon.resolver.flights.Stats().Started - began; n != 0 {
			t.Errorf("%d verifications have begun outside of the gate", n)
		}
		gate.Leave(greedy.ID)
		for range 5 {
			if reply := c.receive(); !strings.Contains(reply, " OK level=claims ") {
				t.Errorf("%.60s", reply)
			}
		}
	})
}

// TestAVerificationThatWaitsForKeysLeavesTheGate, so that others are judged while
// the upstream takes its time.
func TestAVerificationThatWaitsForKeysLeavesTheGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newIdleDaemon(t, nil)
		k.daemon.resolver.verifications = fair.NewGate(fair.Shares{Total: 1, Each: 1})
		c := k.connect(1)
		defer c.nc.Close()
		c.send(fmt.Sprintf("@slow VERIFY deadline=2000 %s\n", k.pend()))
		synctest.Wait()
		if reply := c.ask("@quick VERIFY %s", k.token("ada")); !strings.HasPrefix(reply, "@quick OK ") {
			t.Errorf("%.60s", reply)
		}
		synctest.Wait()
		if local, upstream := k.daemon.server.places.local.Taken(), k.daemon.server.places.upstream.Taken(); local != 0 || upstream != 1 {
			t.Errorf("%d and %d places are taken", local, upstream)
		}
		if reply := c.receive(); !strings.HasPrefix(reply, "@slow ERR ") {
			t.Errorf("%.60s", reply)
		}
	})
}
