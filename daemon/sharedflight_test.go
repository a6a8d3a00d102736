package daemon

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin"
)

// TestADenialOfOneTokenIsNoneOfAnother: two tokens of one user wait for one
// call, and the upstream refuses the one that it was shown.
func TestADenialOfOneTokenIsNoneOfAnother(t *testing.T) {
	w := newWorld(t, withoutOIDC)
	answer := make(chan struct{})
	w.upstream.Inject(standin.Me, standin.Fault{Kind: standin.KnownError, Code: "UNPARSABLE_ACCESS_TOKEN", Times: 1, Until: answer})
	shown, other := w.dial(), w.dial()
	shown.send("PROFILE " + w.token() + "\n")
	w.awaitCalls(1)
	other.send("PROFILE " + w.upstream.StackToken(standin.TokenSpec{Subject: w.user.ID, Session: "another"}) + "\n")
	deadline := time.Now().Add(patience)
	for w.daemon.profiles.flights.Stats().Waiting < 2 {
		if time.Now().After(deadline) {
			t.Fatal("the second lookup does not wait for the first one's call")
		}
		runtime.Gosched()
	}
	close(answer)
	if reply := shown.receive(); reply != "NO rejected-upstream" {
		t.Errorf("the token that was shown: %.80s", reply)
	}
	if reply := other.receive(); !strings.HasPrefix(reply, "OK level=profile ") {
		t.Errorf("the other token: %.80s", reply)
	}
}
