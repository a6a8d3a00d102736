package daemon

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/standin"
)

// TestAClockThatDiffersFromTheUpstreamsIsShown in the places where an operator looks.
func TestAClockThatDiffersFromTheUpstreamsIsShown(t *testing.T) {
	w, m := newMonitoredDaemon(t, func(c *config.Config) { c.Projects = c.Projects[:1] })
	const name = "neonauthd_upstream_clock_ahead_seconds"
	w.clock.Step(-time.Hour)
	if reply := w.dial().Ask("PROFILE %s", w.token()); reply != "NO not-yet-valid" {
		t.Errorf("with a clock behind: %s", reply)
	}
	w.clock.Step(2 * time.Hour)
	// Tokens live for an hour.
	if reply := w.dial().Ask("PROFILE %s", w.token()); reply != "NO expired" {
		t.Errorf("with a clock ahead: %s", reply)
	}
	w.clock.Step(-30 * time.Minute)
	token := w.token()
	if reply := w.dial().Ask("PROFILE max-age=0 %s", token); head(reply) != "OK" {
		t.Errorf("with a clock half an hour ahead: %s", reply)
	}
	if status := w.daemon.status(); !strings.Contains(status, "clock differs from that of: main") {
		t.Errorf("status: %s", status)
	}
	if ahead := sampleOf(t, m.scrape(), name+`{project="main"}`); ahead < 1798 || ahead > 1800 {
		t.Errorf("the metric says %f", ahead)
	}
	if stats := w.dialAdmin().Ask("STATS"); !regexp.MustCompile(`"clock_ahead":(1798|1799|1800)\b`).MatchString(stats) {
		t.Errorf("stats: %s", stats)
	}
	if at, ok := w.daemon.opts.wall.Confirmed(w.clock.now()); !ok || at.After(w.clock.Right()) {
		t.Errorf("confirmed up to %s, ok %v; it is %s", at, ok, w.clock.Right())
	}
	w.clock.Step(-30 * time.Minute)
	if reply := w.dial().Ask("PROFILE max-age=0 %s", token); head(reply) != "OK" {
		t.Errorf("with a right clock: %s", reply)
	}
	if status := w.daemon.status(); strings.Contains(status, "clock") {
		t.Errorf("status with a right clock: %s", status)
	}
}

// TestASessionIsNotOverForAWrongClock: the upstream accepts the session, and tells
// another time. So the answer is unknown while the clock is wrong, and nothing of this is
// remembered.
func TestASessionIsNotOverForAWrongClock(t *testing.T) {
	w := newLiveDaemon(t, withoutOIDC)
	k := w.dial()
	session, err := w.upstream.SignIn(w.user.ID)
	if err != nil {
		t.Fatal(err)
	}
	later, err := w.upstream.SignIn(w.user.ID)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(s standin.Session) string { return head(k.Ask("PROFILE project=neon %s", s.NeonCookie)) }
	if reply := ask(session); reply != "OK" {
		t.Fatal(reply)
	}
	for range 2 {
		w.clock.Step(8 * 24 * time.Hour)
		for _, s := range []standin.Session{session, later} {
			if reply := ask(s); reply != "ERR unavailable" {
				t.Errorf("with a clock past its end: %s", reply)
			}
		}
		w.clock.Step(-8 * 24 * time.Hour)
		for _, s := range []standin.Session{session, later} {
			if reply := ask(s); reply != "OK" {
				t.Errorf("with a clock that is right again: %s", reply)
			}
		}
	}
}

// TestAReloadWhileTheClockIsWrongLosesNoKeys that are good after the clock is set right.
func TestAReloadWhileTheClockIsWrongLosesNoKeys(t *testing.T) {
	w := newLiveDaemon(t, withoutOIDC)
	k := w.dial()
	if reply := k.Ask("VERIFY %s", w.token()); head(reply) != "OK" {
		t.Fatal(reply)
	}
	w.upstream.Inject(standin.Keys, standin.Fault{Kind: standin.Status, Status: 503})
	w.clock.Step(30 * 24 * time.Hour)
	w.rewrite(`name = "main"`, "name = \"main\"\nleeway = \"6s\"")
	if reply := w.dialAdmin().Ask("RELOAD"); head(reply) != "OK" {
		t.Fatal(reply)
	}
	w.clock.Step(-30 * 24 * time.Hour)
	if reply := k.Ask("VERIFY %s", w.token()); head(reply) != "OK" {
		t.Errorf("after a reload with a wrong clock: %s", reply)
	}
}
