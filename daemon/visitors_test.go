package daemon

import (
	"fmt"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/protocol"
)

// TestOneVisitorsCredentialsAreNoOtherVisitors: a web server tells its visitors
// apart, and one visitor asks about many made-up credentials.
func TestOneVisitorsCredentialsAreNoOtherVisitors(t *testing.T) {
	w := newLiveDaemon(t, func(c *config.Config) {
		withoutOIDC(c)
		c.Projects[1].UpstreamRate = 10_000 // so that this budget does not matter here
	})
	made := func(of string, n int) string { return fmt.Sprintf("%s%032d", of, n) }
	ask := func(k *talk, label, credential string) string {
		return k.Ask("PROFILE project=neon for=%s %s", label, credential)
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
		if reply := k.Ask("PROFILE project=neon %s", made("o", n)); head(reply) == "ERR busy" {
			t.Fatalf("the caller itself, %d: %s", n, reply)
		}
	}
	if reply := w.dial().Ask("PROFILE project=neon %s", made("o", fair.SessionBurst)); head(reply) != "ERR busy" {
		t.Errorf("one more of the caller itself: %s", reply)
	}
}

// TestALabelChangesNoAnswer asks the same questions with a label, without one,
// and with wrong labels.
func TestALabelChangesNoAnswer(t *testing.T) {
	w := newLiveDaemon(t, withoutOIDC)
	k, good := w.dial(), w.token()
	forged := w.upstream.StackToken(standin.TokenSpec{Subject: w.user.ID, Forged: true})
	k.Ask("PROFILE %s", good)
	for _, verb := range []string{"VERIFY", "PROFILE", "PROFILE max-age=60"} {
		for _, token := range []string{good, forged, "x"} {
			want := k.Ask("%s %s", verb, token)
			for _, label := range []string{"a", "-_09azAZ", strings.Repeat("x", protocol.MaxFor)} {
				if reply := k.Ask("%s for=%s %s", verb, label, token); reply != want {
					t.Errorf("%s for=%s: %.80s, want %.80s", verb, label, reply, want)
				}
			}
			for _, label := range []string{"", ".", "a.b", "%61", "a,b", "@a", strings.Repeat("x", protocol.MaxFor+1)} {
				if reply := k.Ask("%s for=%s %s", verb, label, token); head(reply) != "ERR bad-request" {
					t.Errorf("%s for=%s: %.80s", verb, label, reply)
				}
			}
		}
	}
}
