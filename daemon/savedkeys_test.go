package daemon

import (
	"context"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
)

// TestASavedKeySetIsStaleUntilTheUpstreamConfirmsIt, in every answer that rests
// on it, because nobody can tell which keys have been withdrawn since.
func TestASavedKeySetIsStaleUntilTheUpstreamConfirmsIt(t *testing.T) {
	w := newLiveDaemon(t, withoutOIDC)
	k, token := w.dial(), w.token()
	if reply := k.Ask("VERIFY %s", token); e2e.Field(reply, "source") != "upstream" {
		t.Fatal(reply)
	}
	w.halt()
	w.upstream.Inject(standin.Me, standin.Fault{Kind: standin.Status})
	w.upstream.Inject(standin.Keys, standin.Fault{Kind: standin.Hang})
	w.start()
	k = w.dial()
	for _, step := range []string{"VERIFY", "VERIFY", "PROFILE fallback=claims", "PROFILE max-age=0 fallback=claims"} {
		if reply := k.Ask("%s %s", step, token); e2e.Field(reply, "source") != "stale" {
			t.Errorf("%s before the set is confirmed: %.120s", step, reply)
		}
	}
	if reply := w.dialAdmin().Ask("KEYS"); !strings.Contains(reply, `"source":"cache"`) {
		t.Errorf("KEYS: %.200s", reply)
	}
	w.halt()
	w.upstream.Clear(standin.Keys)
	w.start()
	k = w.dial()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	for e2e.Field(k.Ask("VERIFY %s", token), "source") != "cache" { // until the fetch has ended
		if ctx.Err() != nil {
			t.Fatal("stale for ever")
		}
	}
}
