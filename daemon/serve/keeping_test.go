package serve

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/lease"
	"github.com/neonauthd/neonauthd/internal/e2e"
)

// atRevision gives the harness leases that call then before the revision is read for the nth time, counted from 1. From
// when then returns true, the host is blind.
func (h *harness) atRevision(n int, then func() (blind bool)) {
	reads, blind := 0, false
	h.server.leases = lease.New(lease.Options{Hearing: func() (time.Duration, bool) {
		if reads++; reads == n {
			blind = then()
		}
		return 0, blind
	}})
}

// TestAnAnswerThatEndsWhileItIsGrantedIsNotKept: the verdict of a first lookup takes time, so its answer gets the revision
// that is read after the verdict. If something ends the verdict while this revision is read, the answer has the revision
// from before the lookup, and no client keeps it.
func TestAnAnswerThatEndsWhileItIsGrantedIsNotKept(t *testing.T) {
	reload := func(h *harness, _ string) {
		next := *h.terms
		h.server.SetTerms(&next)
	}
	cases := []late{{name: "a reload", ask: "VERIFY", meanwhile: reload, want: "0"}}
	for _, l := range lates() {
		switch l.name {
		case "nothing":
			l.want = "1"
		case "its token is revoked", "its user is revoked", "its key is withdrawn", "everything is purged", "its user is purged", "exp":
			l.want = "0"
		default:
			continue
		}
		cases = append(cases, l)
	}
	for _, l := range cases {
		t.Run(l.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHarness(t, nil)
				token := h.token("ada")
				h.atRevision(2, func() bool {
					l.meanwhile(h, token)
					h.server.leases.ForgetAll()
					return false
				})
				k := h.connect(1)
				defer k.Conn.Close()
				reply := k.Ask("@tag VERIFY keep=1 %s", token) // an untagged one would be judged again in its turn
				if _, n, _ := strings.Cut(e2e.Field(reply, "rev"), "."); !strings.HasPrefix(reply, "@tag OK ") || n != l.want {
					t.Errorf("revision %q, want %s: %.200s", n, l.want, reply)
				}
			})
		})
	}
}

// TestNoAnswerIsGrantedWhenNoneMayBeKept any more, whatever was so when its lookup came.
func TestNoAnswerIsGrantedWhenNoneMayBeKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, nil)
		token := h.token("ada")
		if v := h.ask(h.claims(token)); v.TTL == 0 {
			t.Fatal(v.Outcome)
		}
		h.atRevision(2, func() bool { return true })
		k := h.connect(1)
		defer k.Conn.Close()
		if reply := k.Ask("VERIFY keep=1 %s", token); !strings.HasPrefix(reply, "OK ") || e2e.Field(reply, "handles") != "" {
			t.Errorf("%.200s", reply)
		}
	})
}

// TestAWatchIsForWhomTheRulesAllowNow, not when the connection began.
func TestAWatchIsForWhomTheRulesAllowNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, nil)
		k := h.connect(1)
		defer k.Conn.Close()
		if reply := k.Ask("PING"); reply != "OK" {
			t.Fatal(reply)
		}
		stranger, next := uint32(2), *h.terms
		callers, err := NewCallers([]config.Caller{{UID: &stranger}})
		if err != nil {
			t.Fatal(err)
		}
		next.Callers = callers
		h.server.SetTerms(&next)
		if reply := k.Ask("WATCH"); !strings.HasPrefix(reply, "ERR forbidden") {
			t.Errorf("%s", reply)
		}
	})
}

// TestAWatchHasTheTimeOfEachOfItsLines: a line that came in two pieces does not limit the lines after it.
func TestAWatchHasTheTimeOfEachOfItsLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, nil)
		k := h.connect(1)
		defer k.Conn.Close()
		if reply := k.Ask("WATCH"); !strings.HasPrefix(reply, "OK lease=") {
			t.Fatal(reply)
		}
		for range 3 {
			k.Send("SEEN rev=0 ")
			time.Sleep(LineTimeout - time.Second)
			if reply := k.Ask("hits=0"); !strings.HasPrefix(reply, "OK lease=") {
				t.Fatal(reply)
			}
		}
	})
}

// TestAWatchThatDoesNotReadIsCut, as any other connection.
func TestAWatchThatDoesNotReadIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, nil)
		k := h.connect(1)
		defer k.Conn.Close()
		k.Send("WATCH\n")
		synctest.Wait()
		if open := h.server.leases.State().Open; open != 1 {
			t.Fatalf("%d watches", open)
		}
		time.Sleep(WriteTimeout)
		synctest.Wait()
		if open := h.server.leases.State().Open; open != 0 {
			t.Errorf("%d watches", open)
		}
	})
}

// TestWATCHAndQUITWaitForEarlierRequests, tagged ones too.
func TestWATCHAndQUITWaitForEarlierRequests(t *testing.T) {
	for _, verb := range []string{"WATCH", "QUIT"} {
		synctest.Test(t, func(t *testing.T) {
			h := newHarness(t, nil)
			k := h.connect(1)
			defer k.Conn.Close()
			k.Send("@slow VERIFY deadline=2000 " + h.pend() + "\n@last " + verb + "\n")
			if reply := k.Receive(); !strings.HasPrefix(reply, "@slow ERR ") {
				t.Errorf("%s", reply)
			}
			if reply := k.Receive(); !strings.HasPrefix(reply, "@last OK") {
				t.Errorf("%s", reply)
			}
		})
	}
}

// TestAnAnswerGrantsWhatItSays: a lookup whose profile becomes too old while it waits is answered with the claims. They are
// not granted while clients may keep the profile: each would end the other.
func TestAnAnswerGrantsWhatItSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, nil)
		h.profileOf("ada", 5000)
		h.clock.Advance(20 * time.Second)
		k := h.connect(1)
		defer k.Conn.Close()
		token := h.token("ada")
		if reply := k.Ask("PROFILE keep=1 %s", token); e2e.Field(reply, "handles") == "" {
			t.Fatalf("%.200s", reply)
		}
		k.Send("VERIFY deadline=2000 " + h.pend() + "\nPROFILE keep=1 max-age=21 fallback=claims " + token + "\n")
		synctest.Wait()
		h.clock.Advance(2 * time.Second)
		if reply := k.Receive(); !strings.HasPrefix(reply, "ERR ") {
			t.Fatal(reply)
		}
		if reply := k.Receive(); !strings.HasPrefix(reply, "OK level=claims") || e2e.Field(reply, "handles") != "" {
			t.Errorf("%.200s", reply)
		}
	})
}
