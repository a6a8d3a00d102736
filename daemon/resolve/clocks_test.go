package resolve

import (
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/cache"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/daemon/upstream"
	"github.com/neonauthd/neonauthd/protocol"
)

// TestARejectionThatRestsOnTheClockEndsWithIt: the clock is ahead for a moment.
// During this moment the rejection comes from memory like any other.
func TestARejectionThatRestsOnTheClockEndsWithIt(t *testing.T) {
	k := newHarness(t, nil)
	p := k.project("stack")
	for _, ahead := range []time.Duration{time.Hour, 90 * time.Minute, 30 * 24 * time.Hour} {
		l := func(token string) *Lookup {
			return k.claims(p, token)
		}
		known, unseen := k.token("ada"), k.token("bob")
		wantAccepted(t, "before", k.ask(p, known))
		k.clock.Step(ahead)
		k.giveKeys(p) // as a refresh does, in case the old set is too old now
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

// TestADenialThatRestsOnThisHostsClockIsNotRemembered: the upstream's answer had
// no Date, so only this host's clock could judge it.
func TestADenialThatRestsOnThisHostsClockIsNotRemembered(t *testing.T) {
	for _, own := range []bool{false, true} {
		k := newHarness(t, nil)
		l, key := k.claims(k.project("neon"), ""), cache.Key{1}
		no := &upstream.Error{Meaning: upstream.Denied, Denial: protocol.ReasonClassNotAllowed, OwnClock: own}
		var f fetched
		k.resolver.profiles.failed(&f, key, l, nil, no, 0, upstream.Interactive)
		if f.denied != protocol.ReasonClassNotAllowed {
			t.Errorf("by this host's clock %v: denied for reason %s", own, f.denied)
		}
		if _, remembered := k.resolver.profiles.denials.Get(&key); remembered == own {
			t.Errorf("by this host's clock %v: remembered %v", own, remembered)
		}
	}
}

// TestAHitReadsTheClockOnce at both levels: reading the clock is a notable part
// of the cost of a hit.
func TestAHitReadsTheClockOnce(t *testing.T) {
	k := newHarness(t, nil)
	token := k.token(k.upstream.AddUser(standin.User{}).ID)
	if v, _ := k.askFully(k.profile(k.project("stack"), token)); v.Level != LevelProfile {
		t.Fatal(v.Outcome)
	}
	for _, level := range []Level{LevelClaims, LevelProfile} {
		before := k.clock.Reads.Load()
		v, recalled := k.askFully(&Lookup{Project: k.project("stack"), Token: []byte(token), Level: level, MaxAge: -1})
		if !recalled || v.Status() != protocol.OK {
			t.Fatalf("level %s: recalled %v, %s", level, recalled, v.Outcome)
		}
		if n := k.clock.Reads.Load() - before; n != 1 {
			t.Errorf("level %s: the clock is read %d times", level, n)
		}
	}
}
func TestFlightsOfOneTokenAreApartForEachProjectAndReload(t *testing.T) {
	k := newHarness(t, nil)
	digest := DigestOf([]byte("one"))
	again := k.newProject(k.upstream.Config.Projects[0])
	seen := map[[32]byte]bool{again.flight(digest): true}
	for _, p := range k.projects {
		if p.flight(digest) != p.flight(digest) {
			t.Error("one project's lookups of one token do not join")
		}
		if key := p.flight(digest); seen[key] {
			t.Errorf("lookups of %s join others", p.name)
		} else {
			seen[key] = true
		}
	}
}
