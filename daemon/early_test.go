package daemon

import (
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin"
)

// TestATokenBeforeItsTimeIsAcceptedOnceItComes: a rejection is remembered for
// half a minute, but not if it ends by itself with time.
func TestATokenBeforeItsTimeIsAcceptedOnceItComes(t *testing.T) {
	w := newLiveDaemon(t, withoutOIDC)
	k := w.dial()
	begins := w.clock.now().Add(12 * time.Second)
	token := w.upstream.StackToken(standin.TokenSpec{Subject: w.user.ID, Set: map[string]any{"nbf": begins.Unix()}})
	if reply := k.Ask("VERIFY %s", token); reply != "NO not-yet-valid" {
		t.Fatalf("before its time: %.80s", reply)
	}
	w.clock.advance(12 * time.Second)
	if reply := k.Ask("VERIFY %s", token); !strings.HasPrefix(reply, "OK ") {
		t.Errorf("in its time: %.80s", reply)
	}
}
