package daemon

import (
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/lease"
	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/protocol"
)

// TestARevocationWaitsForThoseWhoKeep: until they have confirmed or left, or their
// lease is over. Later requests are answered meanwhile.
func TestARevocationWaitsForThoseWhoKeep(t *testing.T) {
	w := newLiveDaemon(t, withoutOIDC)
	admin := w.dialAdmin()
	for _, verb := range []string{"REVOKE subject %s", "PURGE subject %s", "RELOAD"} {
		for name, then := range map[string]func(watch *talk, rev string){
			"has seen": func(watch *talk, rev string) { watch.Send("SEEN rev=" + rev + " hits=0\n") },
			"leaves":   func(watch *talk, _ string) { watch.Send("QUIT\n") },
			"is lost":  func(watch *talk, _ string) { _ = watch.Conn.Close() },
			"is mute":  func(*talk, string) {},
		} {
			ask := strings.Replace(verb, "%s", strings.ReplaceAll(name, " ", "-"), 1)
			opened := time.Now()
			watch := w.watch()
			admin.Send("@1 " + ask + "\n@2 PING\n")
			if reply := admin.Receive(); reply != "@2 OK" {
				t.Errorf("%s, %s: %s before the watch has seen it", ask, name, reply)
			}
			then(watch, e2e.Field(watch.Receive(), "rev"))
			if reply := admin.Receive(); !strings.HasPrefix(reply, "@1 OK") {
				t.Errorf("%s, %s: %s", ask, name, reply)
			}
			if waited := time.Since(opened); (name == "is lost" || name == "is mute") && waited < lease.Length {
				t.Errorf("%s, %s: answered after %s, within the lease", ask, name, waited)
			}
			_ = watch.Conn.Close()
		}
	}
}

// TestAChangeThatIsNotSavedIsToldToo, because it is in force.
func TestAChangeThatIsNotSavedIsToldToo(t *testing.T) {
	w := newLiveDaemon(t, withoutOIDC)
	handles := e2e.Field(w.dial().Ask("VERIFY keep=1 %s", w.token()), "handles")
	watch, admin := w.watch(), w.dialAdmin()
	state := w.config.StateDir
	if err := os.Rename(state, state+"-away"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(state, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	admin.Send("REVOKE subject " + w.user.ID + "\n@2 PING\n")
	if reply := admin.Receive(); reply != "@2 OK" {
		t.Errorf("%s before the watch has seen it", reply)
	}
	if !watch.forgotten(handles) {
		t.Error("it is not told")
	}
	if reply := admin.Receive(); reply != "ERR unavailable "+protocol.TextNotSaved {
		t.Errorf("REVOKE: %s", reply)
	}
}

// TestAWatchTakesNothingElse, begins after earlier requests are answered, and is
// only for callers that a rule allows.
func TestAWatchTakesNothingElse(t *testing.T) {
	w := newLiveDaemon(t, withoutOIDC)
	k := w.dial()
	k.Send("VERIFY " + w.token() + "\n@p PROFILE " + w.token() + "\nPING\n@w WATCH\n")
	var heads []string
	for range 4 {
		reply, _, _ := strings.Cut(k.Receive(), " level")
		heads = append(heads, reply)
	}
	if last := heads[3]; !strings.HasPrefix(last, "@w OK lease=") || !slices.Contains(heads, "@p OK") {
		t.Errorf("%q", heads)
	}
	k.Send("PING\n")
	if line, err := k.In.ReadString('\n'); err == nil {
		t.Errorf("a watch answers PING with %s", line)
	}
	for ask, want := range map[string]string{
		"WATCH now": "ERR bad-request", "WATCH keep=1": "ERR bad-request", "SEEN rev=0 hits=0": "ERR bad-request",
	} {
		if reply := w.dial().Ask("%s", ask); head(reply) != want {
			t.Errorf("%s: %s", ask, reply)
		}
	}
	stranger := uint32(4_000_000_000)
	refusing := newLiveDaemon(t, func(c *config.Config) { c.Callers = []config.Caller{{UID: &stranger}} })
	if reply := refusing.dial().Ask("WATCH"); head(reply) != "ERR forbidden" {
		t.Errorf("a caller who may ask nothing: %s", reply)
	}
}

// TestADaemonThatStopsGrantsNothing: no answer may be kept, and there is no watch
// and no lease.
func TestADaemonThatStopsGrantsNothing(t *testing.T) {
	w := newLiveDaemon(t, withoutOIDC)
	k, watch, token := w.dial(), w.watch(), w.token()
	if reply := k.Ask("VERIFY keep=1 %s", token); e2e.Field(reply, "rev") == "" {
		t.Fatal(reply)
	}
	w.daemon.leases.Drain()
	if reply := k.Ask("VERIFY keep=1 %s", token); head(reply) != "OK" || e2e.Field(reply, "rev")+e2e.Field(reply, "handles") != "" {
		t.Errorf("a lookup: %.200s", reply)
	}
	if reply := k.Ask("WATCH"); head(reply) != "ERR busy" || e2e.Field(reply, "retry-after") != "1" {
		t.Errorf("WATCH: %s", reply)
	}
	if line := watch.Receive(); line != "OK forget=* rev=1" {
		t.Errorf("the watch says %s", line)
	}
	watch.Send("SEEN rev=1 hits=0\n")
	if line, err := watch.In.ReadString('\n'); err == nil {
		t.Errorf("the watch says %s", line)
	}
}

// TestAStoppingDaemonGrantsNothingBeforeItsSocketsAreFree, because the next run
// waits only for leases from before it had the sockets.
func TestAStoppingDaemonGrantsNothingBeforeItsSocketsAreFree(t *testing.T) {
	w := newLiveDaemon(t, withoutOIDC)
	w.watch()
	w.stop()
	w.stop = nil
	for deadline := time.Now().Add(testTimeout); ; { // until nothing listens
		k, err := net.Dial("unix", w.socket())
		if err != nil {
			break
		}
		if _ = k.Close(); time.Now().After(deadline) {
			t.Fatal("the socket is not free")
		}
	}
	if _, granted := w.daemon.leases.Revision(); granted {
		t.Error("it grants leases")
	}
	if err := <-w.ended; err != nil {
		t.Error(err)
	}
}

// TestAStartWaitsForTheRunBefore, which may have granted leases that are not over.
func TestAStartWaitsForTheRunBefore(t *testing.T) {
	w := newLiveDaemon(t, withoutOIDC)
	w.halt()
	began := time.Now()
	w.start()
	w.daemon.leases.Start() // as a program does that does not know whether there was an earlier run
	for _, ask := range []string{"REVOKE subject ada", "PURGE all", "RELOAD"} {
		if reply := w.dialAdmin().Ask("%s", ask); head(reply) != "OK" || time.Since(began) < lease.Term {
			t.Errorf("%s: %s after %s", ask, reply, time.Since(began))
		}
	}
}
