package resolve

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/clock/clocktest"
	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/keyring"
	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/daemon/resolve/cachekey"
	"github.com/neonauthd/neonauthd/daemon/resolve/purge"
	"github.com/neonauthd/neonauthd/daemon/resolve/wording"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/daemon/standin/stackauth"
	"github.com/neonauthd/neonauthd/protocol"
)

func TestWhatForgetsToDecideIsUnknown(t *testing.T) {
	if v := (Verdict{}); v.Status() != protocol.ERR || v.Code() != protocol.CodeUnavailable || v.Fields() != nil || v.Expires() != 0 {
		t.Errorf("the zero verdict is %s", v.Outcome)
	}
	if v := unfinished(nil); v.Status() != protocol.ERR {
		t.Errorf("a flight that brought nothing is %s", v.Outcome)
	}
}

// TestAnEntryProvesItsOwnValidity reads an entry at instants at which the wall
// clock and the monotonic clock differ.
func TestAnEntryProvesItsOwnValidity(t *testing.T) {
	const lifetime = time.Hour
	c := clocktest.New()
	c.Advance(time.Second - time.Duration(c.Now().Nanosecond())) // exp is in whole seconds
	began := c.Now()
	e := newEntry(&Lookup{Project: &Project{name: "main"}}, &keyset.Claims{Subject: "ada", Expires: began.Round(0).Add(lifetime)}, 0, began)
	for _, s := range []struct {
		name  string
		step  time.Duration // of the wall clock, right after the verification
		after time.Duration // by the monotonic clock
		alive bool
	}{
		{"at once", 0, 0, true},
		{"before exp", 0, lifetime - time.Second, true},
		{"at exp", 0, lifetime, false},
		{"after exp", 0, lifetime + time.Second, false},
		{"wall a second ahead, at its exp", time.Second, lifetime - time.Second, false},
		{"wall an hour ahead", time.Hour, 0, false},
		{"wall ten years ahead", 87600 * time.Hour, 0, false},
		{"wall an hour back, before exp", -time.Hour, lifetime - time.Second, true},
		{"wall an hour back, at exp", -time.Hour, lifetime, false},
		{"wall ten years back, at exp", -87600 * time.Hour, lifetime, false},
		{"wall 56 years back, long after", -56 * 8760 * time.Hour, 100 * lifetime, false},
	} {
		c.Step(s.step)
		c.Advance(s.after)
		now := c.Now()
		if got := e.alive(e.project, now); got != s.alive {
			t.Errorf("%s: alive %v, want %v", s.name, got, s.alive)
		}
		if left := e.reuse(claimsReuse, now); (left > 0) != s.alive || left > claimsReuse || s.alive && left > lifetime-s.after {
			t.Errorf("%s: to be reused for %s", s.name, left)
		}
		c.Step(-s.step)
		c.Advance(-s.after)
	}
	if e.alive(&Project{name: "main"}, began) {
		t.Error("alive for a project of the same name")
	}
	if (*entry)(nil).user() != (purge.Subject{}) {
		t.Error("no entry has a user")
	}
}

func TestAWithdrawnKeyKillsWhatItSignedAndNothingElse(t *testing.T) {
	k := newHarness(t, nil)
	p := k.project("stack")
	p.stopKeys()
	old := []string{k.token("ada"), k.token("bob")}
	k.upstream.SignWithNext(true)
	next := k.token("cyd")
	for _, token := range append(old, next) {
		wantAccepted(t, "before", k.ask(p, token))
	}
	gone := k.ask(p, old[0]).entry.key
	if !k.upstream.WithdrawKey(gone.ID()) {
		t.Fatal("nothing to withdraw")
	}
	k.giveKeys(p)
	for _, token := range old {
		l := k.claims(p, token)
		if v, ok := k.resolver.Recall(l); ok {
			t.Errorf("still answered from memory: %s", v.Outcome)
		}
		if v := k.ask(p, token); v.Status() == protocol.OK {
			t.Error("accepted under a withdrawn key")
		}
	}
	if v, recalled := k.askFully(k.claims(p, next)); !recalled || v.Status() != protocol.OK {
		t.Error("a token of another key was forgotten")
	}
}

// TestNoVerdictServesAnotherQuestion asks one question to fill the memory and
// then another, in all pairs. The second answer must be the one that a daemon
// with an empty memory gives.
func TestNoVerdictServesAnotherQuestion(t *testing.T) {
	k := newHarness(t, func(c *config.Config) {
		twin := c.Projects[0]
		twin.Name, twin.Allow = "open", []string{"anonymous"}
		other := c.Projects[0]
		other.Name, other.ProjectID = "foreign", "00000000-0000-4000-8000-000000000000"
		other.JWKSURL = c.Projects[0].WithDerived().JWKSURL
		c.Projects = append(c.Projects, twin, other)
	})
	k.giveKeys(k.project("open"))
	k.giveKeys(k.project("foreign"))
	tokens := []string{
		k.token("ada"),
		k.upstream.StackToken(standin.TokenSpec{Class: stackauth.ClassAnonymous}),
		k.upstream.StackToken(standin.TokenSpec{Class: stackauth.ClassRestricted}),
		k.upstream.StackToken(standin.TokenSpec{Lifetime: -time.Minute}),
		k.upstream.StackToken(standin.TokenSpec{Forged: true}),
	}
	names := []string{"stack", "open", "foreign", "neon"}
	for i, token := range tokens {
		cold := map[string]Verdict{}
		for _, name := range names {
			k.resolver.PurgeAll()
			cold[name] = k.askQuickly(name, token)
		}
		for _, first := range names {
			for _, second := range names {
				k.resolver.PurgeAll()
				k.askQuickly(first, token)
				for range 2 {
					v, want := k.askQuickly(second, token), cold[second]
					if v.Outcome != want.Outcome {
						t.Errorf("token %d, first %s, then %s: %s; cold %s", i, first, second, v.Outcome, want.Outcome)
					}
					if v.Status() == protocol.OK && v.entry.project != k.project(second) {
						t.Errorf("token %d, first %s, then %s: of another project", i, first, second)
					}
				}
			}
		}
	}
}

// askQuickly asks without waiting for keys that do not come.
func (k *harness) askQuickly(name, token string) Verdict {
	k.t.Helper()
	p := k.project(name)
	p.stopKeys()
	return k.ask(p, token)
}

func TestRejectionsAreRememberedUnderTheirKeySetOnly(t *testing.T) {
	k := newHarness(t, nil)
	p := k.project("stack")
	p.stopKeys()
	forged := k.upstream.StackToken(standin.TokenSpec{Forged: true})
	l := func() *Lookup {
		return k.claims(p, forged)
	}
	for i, recalled := range []bool{false, true, true} {
		v, was := k.askFully(l())
		wantOutcome(t, "forged", v, protocol.Rejected(protocol.ReasonBadSignature))
		if was != recalled {
			t.Errorf("%d: recalled %v", i, was)
		}
	}
	k.giveKeys(p)
	if _, was := k.askFully(l()); was {
		t.Error("recalled under another key set")
	}
	k.clock.Advance(RejectionLifetime)
	if _, was := k.askFully(l()); was {
		t.Error("recalled after its time")
	}
	early := k.upstream.StackToken(standin.TokenSpec{IssuedAt: k.clock.Read().Add(time.Minute)})
	wantOutcome(t, "early", k.ask(p, early), protocol.Rejected(protocol.ReasonNotYetValid))
	k.clock.Advance(time.Minute)
	wantAccepted(t, "no longer early", k.ask(p, early))
}

// TestKeysOlderThanADayDecideNothing, not even about a token that they verified
// before.
func TestKeysOlderThanADayDecideNothing(t *testing.T) {
	k := newHarness(t, nil)
	p := k.project("stack")
	p.stopKeys()
	k.clock.Advance(keyring.Lifetime - time.Hour)
	token := k.token("ada")
	long := k.upstream.StackToken(standin.TokenSpec{Subject: "bob", Lifetime: 48 * time.Hour})
	if v := k.ask(p, token); v.Status() != protocol.OK || v.Source != SourceStale {
		t.Errorf("an hour before: %s, source %s", v.Outcome, v.Source)
	}
	wantAccepted(t, "an hour before", k.ask(p, long))
	k.clock.Advance(time.Hour - time.Second)
	if v := k.ask(p, long); v.Status() != protocol.OK || v.Source != SourceStale {
		t.Errorf("a second before: %s, source %s", v.Outcome, v.Source)
	}
	k.clock.Advance(time.Second)
	wantOutcome(t, "remembered", k.ask(p, long), protocol.Unknown(protocol.CodeUnavailable))
	wantOutcome(t, "new", k.ask(p, k.token("cyd")), protocol.Unknown(protocol.CodeUnavailable))
}

func TestBeforeTheClockFloorNothingIsJudged(t *testing.T) {
	k := newHarness(t, nil)
	p, token := k.project("stack"), k.token("ada")
	remembered := k.ask(p, token)
	explained := func(token string) string { return k.resolver.Explain(k.claims(p, token)).Outcome.String() }
	k.resolver.clockFloor = k.clock.Read().Add(time.Second)
	before := k.ask(p, token)
	wantOutcome(t, "remembered", before, protocol.Unknown(protocol.CodeUnavailable))
	wantOutcome(t, "malformed needs no clock", k.ask(p, "x"), protocol.Rejected(protocol.ReasonMalformed))
	late := k.resolver.Confirm(k.claims(p, token), remembered)
	wantOutcome(t, "a reply that had to wait", late, protocol.Unknown(protocol.CodeUnavailable))
	ended := k.resolver.Logout(t.Context(), k.claims(p, token))
	for what, cause := range map[string]wording.Cause{"a lookup": before.Cause, "a reply that had to wait": late.Cause, "a logout token": ended.Cause} {
		if cause.Text() != protocol.TextClockUnset {
			t.Errorf("%s: text %q", what, cause.Text())
		}
	}
	if got := explained(token) + ", " + explained("x"); got != "ERR unavailable, NO malformed" {
		t.Errorf("EXPLAIN: %s", got)
	}
	k.clock.Advance(time.Second)
	wantAccepted(t, "at the floor", k.ask(p, token))
	if got := explained(token); got != "OK" {
		t.Errorf("EXPLAIN: %s", got)
	}
}

func TestDistinctListsNeverShareAKey(t *testing.T) {
	parts := []string{"", "a", "b", "ab", "abc", "bc", "c", "\x00", "a\x00", "\x00\x00\x00\x01a", strings.Repeat("x", 250), strings.Repeat("x", 251), strings.Repeat("x", 9000)}
	seen := map[[32]byte]string{}
	note := func(list ...string) {
		name := fmt.Sprintf("%q", list)
		key := cachekey.Of(list...)
		if other, again := seen[key]; again {
			t.Errorf("%.60s and %.60s share a key", name, other)
		}
		seen[key] = name
	}
	note()
	for _, a := range parts {
		note(a)
		for _, b := range parts {
			note(a, b)
			for _, c := range parts {
				note(a, b, c)
			}
		}
	}
	if n := testing.AllocsPerRun(100, func() { _ = cachekey.User("main", keyset.ClassNormal, "258c9c46-8d9d-44c6-a90d-49892cedf204") }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestATokenWhoseUserNoRevocationCanNameIsUnknown: nobody could shut out its user. A session
// that no revocation can name counts as none, so what ends tokens without a session ends it.
func TestATokenWhoseUserNoRevocationCanNameIsUnknown(t *testing.T) {
	k := newHarness(t, nil)
	p := k.project("stack")
	longest, tooLong := strings.Repeat("u", protocol.MaxID), strings.Repeat("u", protocol.MaxID+1)
	good := k.token(longest)
	wantAccepted(t, "the longest", k.ask(p, good))
	k.revoke("subject", longest, true)
	wantOutcome(t, "the longest, revoked", k.ask(p, good), protocol.Rejected(protocol.ReasonRevoked))
	for _, name := range []string{"first", "again"} {
		v, recalled := k.askFully(k.claims(p, k.token(tooLong)))
		wantOutcome(t, name, v, protocol.Unknown(protocol.CodeMisconfigured))
		if recalled {
			t.Error("it is remembered")
		}
	}
	x := k.resolver.Explain(k.claims(p, k.token(tooLong)))
	if last := x.Checks[len(x.Checks)-1]; x.Outcome != protocol.Unknown(protocol.CodeMisconfigured) || last.Result != keyset.Failed || last.Detail != wording.Unrevocable {
		t.Errorf("explained as %s: %+v", x.Outcome, last)
	}
	for session, want := range map[string]string{longest: longest, tooLong: ""} {
		v := k.ask(p, k.upstream.StackToken(standin.TokenSpec{Subject: "ada", Session: session}))
		if wantAccepted(t, "a session", v); v.entry != nil && v.entry.session != want {
			t.Errorf("a session id of %d bytes is %q", len(session), v.entry.session)
		}
	}
}
