package daemon

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/config"
)

// TestAClockThatDiffersFromTheUpstreamsIsShown where an operator looks.
func TestAClockThatDiffersFromTheUpstreamsIsShown(t *testing.T) {
	w, m := newMonitoredWorld(t, func(c *config.Config) { c.Projects = c.Projects[:1] })
	const name = "neonauthd_upstream_clock_ahead_seconds"
	w.clock.Step(-time.Hour)
	if reply := w.dial().ask("PROFILE %s", w.token()); reply != "NO not-yet-valid" {
		t.Errorf("with a clock behind: %s", reply)
	}
	w.clock.Step(2 * time.Hour)
	// Tokens live for an hour.
	if reply := w.dial().ask("PROFILE %s", w.token()); reply != "NO expired" {
		t.Errorf("with a clock ahead: %s", reply)
	}
	w.clock.Step(-30 * time.Minute)
	token := w.token()
	if reply := w.dial().ask("PROFILE max-age=0 %s", token); head(reply) != "OK" {
		t.Errorf("with a clock half an hour ahead: %s", reply)
	}
	if status := w.daemon.status(); !strings.Contains(status, "clock differs from that of: main") {
		t.Errorf("status: %s", status)
	}
	if ahead := sampleOf(t, m.scrape(), name+`{project="main"}`); ahead < 1798 || ahead > 1800 {
		t.Errorf("the metric says %f", ahead)
	}
	if stats := w.dialAdmin().ask("STATS"); !regexp.MustCompile(`"clock_ahead":(1798|1799|1800)\b`).MatchString(stats) {
		t.Errorf("stats: %s", stats)
	}
	if at, ok := w.daemon.opts.wall.Confirmed(w.clock.now()); !ok || at.After(w.clock.Right()) {
		t.Errorf("confirmed up to %s, ok %v; it is %s", at, ok, w.clock.Right())
	}
	w.clock.Step(-30 * time.Minute)
	if reply := w.dial().ask("PROFILE max-age=0 %s", token); head(reply) != "OK" {
		t.Errorf("with a right clock: %s", reply)
	}
	if status := w.daemon.status(); strings.Contains(status, "clock") {
		t.Errorf("status with a right clock: %s", status)
	}
}
