package daemon

import (
	"os"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/standin"
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
