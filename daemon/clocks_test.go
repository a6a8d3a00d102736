package daemon

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/cache"
	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/daemon/upstream"
	"github.com/neonauthd/neonauthd/protocol"
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

// TestARejectionThatRestsOnTheClockEndsWithIt: the clock was ahead for a moment.
// As long as it is, the no comes from memory like any other.
func TestARejectionThatRestsOnTheClockEndsWithIt(t *testing.T) {
	k := newIdleDaemon(t, nil)
	p := k.project("stack")
	for _, ahead := range []time.Duration{time.Hour, 90 * time.Minute, 30 * 24 * time.Hour} {
		l := func(token string) *lookup {
			return &lookup{project: p, token: []byte(token), level: LevelClaims, maxAge: -1}
		}
		known, unseen := k.token("ada"), k.token("bob")
		wantAccepted(t, "before", k.ask(p, known))
		k.clock.Step(ahead)
		k.giveKeys(p) // as a refresh does, if the old set is too old by now
		for _, token := range []string{known, unseen} {
			for _, recalled := range []bool{false, true, true} {
				v, was := k.askFully(l(token))
				wantOutcome(t, "ahead by "+ahead.String(), v, protocol.Rejected(protocol.ReasonExpired))
				if was != recalled {
					t.Errorf("ahead by %s: recalled %v, want %v", ahead, was, recalled)
				}
			}
		}
		k.clock.Step(-ahead)
		for _, token := range []string{known, unseen} {
			wantAccepted(t, "right again", k.ask(p, token))
		}
		k.clock.Step(ahead)
		for _, token := range []string{known, unseen} {
			wantOutcome(t, "ahead once more", k.ask(p, token), protocol.Rejected(protocol.ReasonExpired))
		}
		k.clock.Step(-ahead)
	}
}

// TestASessionIsNotOverForAWrongClock longer than that is wrong: neither what was
// fetched before it was, nor what was fetched meanwhile.
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
	ask := func(s standin.Session) string { return head(k.ask("PROFILE project=neon %s", s.NeonCookie)) }
	if reply := ask(session); reply != "OK" {
		t.Fatal(reply)
	}
	for range 2 {
		w.clock.Step(8 * 24 * time.Hour)
		for _, s := range []standin.Session{session, later} {
			if reply := ask(s); reply != "NO expired" {
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

// TestADenialThatRestsOnThisHostsClockIsNotRemembered: the upstream's answer had
// no Date to go by.
func TestADenialThatRestsOnThisHostsClockIsNotRemembered(t *testing.T) {
	for _, own := range []bool{false, true} {
		k := newIdleDaemon(t, nil)
		l, key := &lookup{project: k.project("neon")}, cache.Key{1}
		no := &upstream.Error{Meaning: upstream.Denied, Denial: protocol.ReasonClassNotAllowed, OwnClock: own}
		f := k.daemon.profiles.failed(fetched{}, key, l, no, 0, upstream.Interactive)
		if f.denied != protocol.ReasonClassNotAllowed {
			t.Errorf("by this host's clock %v: denied for reason %s", own, f.denied)
		}
		if _, remembered := k.daemon.profiles.denials.Get(&key); remembered == own {
			t.Errorf("by this host's clock %v: remembered %v", own, remembered)
		}
	}
}

// TestAReloadWhileTheClockIsWrongLosesNoKeys that are good when it is right.
func TestAReloadWhileTheClockIsWrongLosesNoKeys(t *testing.T) {
	w := newLiveDaemon(t, withoutOIDC)
	k := w.dial()
	if reply := k.ask("VERIFY %s", w.token()); head(reply) != "OK" {
		t.Fatal(reply)
	}
	w.upstream.Inject(standin.Keys, standin.Fault{Kind: standin.Status, Status: 503})
	w.clock.Step(30 * 24 * time.Hour)
	w.rewrite(`name = "main"`, "name = \"main\"\nleeway = \"6s\"")
	if reply := w.dialAdmin().ask("RELOAD"); head(reply) != "OK" {
		t.Fatal(reply)
	}
	w.clock.Step(-30 * 24 * time.Hour)
	if reply := k.ask("VERIFY %s", w.token()); head(reply) != "OK" {
		t.Errorf("after a reload with a wrong clock: %s", reply)
	}
}

// TestAHitReadsTheClockOnce at both levels: reading it is a part of what a hit
// costs that can be felt.
func TestAHitReadsTheClockOnce(t *testing.T) {
	k := newIdleDaemon(t, nil)
	k.profileOf("ada", 1000)
	token := k.token("ada")
	wantAccepted(t, "first seen", k.ask(k.project("stack"), token))
	for _, level := range []Level{LevelClaims, LevelProfile} {
		before := k.clock.reads.Load()
		v, recalled := k.askFully(&lookup{project: k.project("stack"), token: []byte(token), level: level, maxAge: -1})
		if !recalled || v.Status() != protocol.OK {
			t.Fatalf("level %s: recalled %v, %s", level, recalled, v.Outcome)
		}
		if n := k.clock.reads.Load() - before; n != 1 {
			t.Errorf("level %s: the clock is read %d times", level, n)
		}
	}
}
