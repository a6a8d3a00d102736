package daemon

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/membership"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/protocol"
)

// TestBlindnessIsToldWhenItHasConsequences: once when they begin and once when they are
// over, and not at every start.
func TestBlindnessIsToldWhenItHasConsequences(t *testing.T) {
	const after = 5 * time.Second
	hears := membership.Hearing{InFleet: true, Ever: true}
	blind := func(age time.Duration, refuses bool) membership.Hearing {
		return membership.Hearing{InFleet: true, Ever: true, Blind: true, Refuses: refuses, Age: age}
	}
	starting := func(age time.Duration) membership.Hearing {
		return membership.Hearing{InFleet: true, Blind: true, Refuses: true, Age: age}
	}
	for name, c := range map[string]struct {
		looks []membership.Hearing
		want  string // the levels of the lines
	}{
		"without a fleet":              {[]membership.Hearing{{}, {}}, ""},
		"a short blindness":            {[]membership.Hearing{hears, blind(after-1, false), hears}, ""},
		"a long one, serving":          {[]membership.Hearing{hears, blind(after, false), blind(2*after, false), hears}, "WARN"},
		"two long ones, serving":       {[]membership.Hearing{blind(after, false), hears, blind(after, false)}, "WARN WARN"},
		"a long one, refusing":         {[]membership.Hearing{hears, blind(after-1, false), blind(after, true), blind(2*after, true), hears, hears}, "ERROR INFO"},
		"a usual start":                {[]membership.Hearing{starting(0), starting(firstHearing - 1), hears}, ""},
		"a start without the engine":   {[]membership.Hearing{starting(0), starting(firstHearing), starting(after), hears}, "ERROR INFO"},
		"a reload to another fleet":    {[]membership.Hearing{blind(after, true), starting(0), starting(firstHearing)}, "ERROR"},
		"a reload to serving":          {[]membership.Hearing{blind(after, true), blind(after, false), hears}, "ERROR INFO WARN"},
		"a reload that ends the fleet": {[]membership.Hearing{blind(after, true), {}}, "ERROR INFO"},
	} {
		t.Run(name, func(t *testing.T) {
			var b blindness
			log := &e2e.Output{}
			for _, h := range c.looks {
				b.look(h, after, slog.New(slog.NewTextHandler(log, nil)))
			}
			var levels []string
			for line := range strings.Lines(log.String()) {
				_, rest, _ := strings.Cut(line, "level=")
				level, _, _ := strings.Cut(rest, " ")
				levels = append(levels, level)
			}
			if got := strings.Join(levels, " "); got != c.want {
				t.Errorf("lines %q, want %q:\n%s", got, c.want, log)
			}
		})
	}
}

// TestAHostThatRefusesSaysWhy in the reply to a lookup, in EXPLAIN, in STATS and in the
// log, as long as it does not hear its fleet.
func TestAHostThatRefusesSaysWhy(t *testing.T) {
	table, engine := fleetAndEngine(t)
	table.WhenBlind, table.BlindAfter = config.WhenBlindRefuse, config.Duration(time.Minute)
	w := newLiveDaemon(t, func(c *config.Config) {
		withoutOIDC(c)
		c.Fleet = table
	})
	w.awaitFleet(t)
	good, expired := w.token(), w.upstream.StackToken(standin.TokenSpec{Subject: w.user.ID, Lifetime: -time.Minute})
	stats := func() (s struct{ Fleet *fleetStats }) {
		t.Helper()
		if err := json.Unmarshal([]byte(strings.TrimPrefix(w.dialAdmin().Ask("STATS"), "OK ")), &s); err != nil || s.Fleet == nil {
			t.Fatalf("%+v, %v", s, err)
		}
		return s
	}
	if x, detail := w.explained("main", good, "fleet"); x.Outcome != "accepted" || detail != "pass: this host hears its fleet" || !stats().Fleet.Connected {
		t.Errorf("with the fleet: %s, %q, %+v", x.Outcome, detail, stats().Fleet)
	}
	engine.Kill(t)
	w.clock.advance(2 * time.Minute)
	if reply := w.dial().Ask("VERIFY %s", good); reply != "ERR unavailable retry-after=1 "+protocol.TextUnheard {
		t.Errorf("VERIFY: %q", reply)
	}
	x, detail := w.explained("main", good, "fleet")
	if x.Outcome != "unknown" || x.Reason != "unavailable" || x.HTTP != 503 || !strings.HasPrefix(detail, "fail: this host has not heard its fleet for 2m0s: ") {
		t.Errorf("EXPLAIN: %s %s %d, %q", x.Outcome, x.Reason, x.HTTP, detail)
	}
	if x, detail := w.explained("main", expired, "fleet"); x.Reason != "expired" || x.HTTP != 401 || !strings.HasPrefix(detail, "skip: ") {
		t.Errorf("EXPLAIN of an expired token: %s %d, %q", x.Reason, x.HTTP, detail)
	}
	if f := stats().Fleet; f.Connected || !f.Refuses {
		t.Errorf("STATS: %+v", f)
	}
	e2e.Until(t, "the log says it", func() bool {
		return strings.Contains(w.log.String(), "level=ERROR msg=\"this host has not heard its fleet for too long, and accepts nothing")
	})
}
