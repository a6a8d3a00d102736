package daemon

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/protocol"
)

// TestACallerOfProfilesIsNotToldClaimsInstead: the levels of a rule also hold
// for the level that a lookup falls back to.
func TestACallerOfProfilesIsNotToldClaimsInstead(t *testing.T) {
	w := newLiveDaemon(t, func(c *config.Config) {
		withoutOIDC(c)
		uid := uint32(os.Getuid())
		c.Callers = []config.Caller{{UID: &uid, Levels: []string{"profile"}}}
	})
	w.upstream.Inject(standin.Me, standin.Fault{Kind: standin.Status, Status: 503})
	if reply := w.dial().Ask("PROFILE fallback=claims %s", w.token()); !strings.HasPrefix(reply, "ERR forbidden") {
		t.Errorf("%.80s", reply)
	}
}

// TestATokenThatLivesForCenturiesIsAccepted: clients read no exp beyond the protocol's limit,
// so that is what a reply says. The token itself is judged by its own exp.
func TestATokenThatLivesForCenturiesIsAccepted(t *testing.T) {
	w := newLiveDaemon(t, withoutOIDC)
	k := w.dial()
	for _, c := range []struct{ exp, want int64 }{
		{protocol.MaxExpires - 1, protocol.MaxExpires - 1},
		{protocol.MaxExpires, protocol.MaxExpires},
		{protocol.MaxExpires + 1, protocol.MaxExpires},
		{253402300799, protocol.MaxExpires}, // the end of the year 9999
		{1<<53 - 1, protocol.MaxExpires},    // the greatest exp that the daemon reads
	} {
		token := w.upstream.StackToken(standin.TokenSpec{Subject: w.user.ID, Set: map[string]any{"exp": c.exp}})
		for _, request := range []string{"VERIFY %s", "VERIFY %s", "PROFILE %s"} {
			reply := k.Ask(request, token)
			if head(reply) != "OK" || !strings.Contains(reply, fmt.Sprintf(" exp=%d ", c.want)) {
				t.Errorf("exp %d: %.200s", c.exp, reply)
			}
		}
	}
}
