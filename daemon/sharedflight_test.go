package daemon

import (
	"context"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/protocol"
)

// TestADenialOfOneTokenIsNoneOfAnother: two tokens of one user wait for one
// call, and the upstream refuses the one that it was shown.
func TestADenialOfOneTokenIsNoneOfAnother(t *testing.T) {
	w := newLiveDaemon(t, withoutOIDC)
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

// TestALookupIsNotRefusedForAnothersShare: it joins a fetch that another caller
// began, and that caller has used up its share of the budget.
func TestALookupIsNotRefusedForAnothersShare(t *testing.T) {
	for name, c := range map[string]struct {
		crowded crowding
		asker   fair.ID
		want    string
	}{
		"another caller's fetch":   {forItsAsker, fair.ID{UID: uint32(os.Getuid()) + 1}, "OK level=profile"},
		"a fetch of its own":       {forItsAsker, fair.ID{UID: uint32(os.Getuid())}, "ERR unavailable retry-after=7"},
		"one in the background":    {asBackground, fair.ID{UID: uint32(os.Getuid())}, "OK level=profile"},
		"one that failed upstream": {notCrowded, fair.ID{UID: uint32(os.Getuid()) + 1}, "ERR unavailable retry-after=7"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newLiveDaemon(t, withoutOIDC)
			p := w.daemon.state.Load().projects.first
			refuse := make(chan struct{})
			var other sync.WaitGroup
			other.Go(func() {
				_, _, _ = w.daemon.profiles.flights.Do(t.Context(), p.flight(userKey(p.name, keyset.ClassNormal, w.user.ID)), func(context.Context) fetched {
					<-refuse
					return fetched{asker: fair.Asker{ID: c.asker}, crowdedOut: c.crowded, failure: unknown(protocol.CodeUnavailable, 7*time.Second)}
				})
			})
			await(t, func() bool { return w.daemon.profiles.flights.Stats().Waiting == 1 })
			k := w.dial()
			k.send("PROFILE " + w.token() + "\n")
			await(t, func() bool { return w.daemon.profiles.flights.Stats().Waiting == 2 })
			close(refuse)
			if reply := k.receive(); !strings.HasPrefix(reply, c.want) {
				t.Errorf("%.80s, want %s", reply, c.want)
			}
			other.Wait()
		})
	}
}
