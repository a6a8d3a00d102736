package daemon

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin"
)

// TestAgesCountTheTimeThatTheHostSlept: its monotonic clock stands still then.
func TestAgesCountTheTimeThatTheHostSlept(t *testing.T) {
	start := time.Now()
	for _, c := range []struct {
		name  string
		since time.Time
		now   time.Time
		want  time.Duration
	}{
		{"awake", start, start.Add(time.Minute), time.Minute},
		{"slept for eight hours", start.Round(0).Add(-8 * time.Hour), start, 8 * time.Hour},
	} {
		if got := elapsed(c.since, c.now); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// TestACallerOfProfilesIsNotToldClaimsInstead: levels hold for what a lookup
// falls back to, too.
func TestACallerOfProfilesIsNotToldClaimsInstead(t *testing.T) {
	w := newWorld(t, func(c *Config) {
		withoutOIDC(c)
		uid := uint32(os.Getuid())
		c.Callers = []Caller{{UID: &uid, Levels: []string{"profile"}}}
	})
	w.upstream.Inject(standin.Me, standin.Fault{Kind: standin.Status, Status: 503})
	if reply := w.dial().ask("PROFILE fallback=claims %s", w.token()); !strings.HasPrefix(reply, "ERR forbidden") {
		t.Errorf("%.80s", reply)
	}
}
