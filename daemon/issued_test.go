package daemon

import (
	"context"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/clock"
	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/resolve"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/protocol"
)

// TestARevokedSubjectsTokensAreCoveredThatCanHaveBeenIssued: their iat is by the
// issuer's clock, which may be ahead of this host's. This host's clock may also
// have been set back.
func TestARevokedSubjectsTokensAreCoveredThatCanHaveBeenIssued(t *testing.T) {
	const hour = time.Hour
	for _, c := range []struct {
		name    string
		ahead   time.Duration   // how far the clock is ahead when the token is issued
		seen    bool            // this host has seen the token before the revocation
		other   time.Duration   // how far ahead another user's token is that this host has seen; 0: none
		setBack time.Duration   // how far this host's clock is set back before the revocation
		again   bool            // the revocation is taken back and made again
		restart bool            // between the step of the clock and the revocation
		later   []time.Duration // the times after which the token is asked for again
	}{
		{name: "the issuer's clock is right", seen: true},
		{name: "the issuer's clock is ahead", ahead: 4 * time.Second, later: []time.Duration{4 * time.Second, time.Minute}},
		{name: "as far ahead as the leeway", ahead: testLeeway, later: []time.Duration{testLeeway, time.Minute}},
		{name: "ahead, and seen", ahead: testLeeway, seen: true, later: []time.Duration{testLeeway}},
		{name: "ahead, revoked again", ahead: testLeeway, again: true, later: []time.Duration{testLeeway}},
		{name: "own clock set back", seen: true, setBack: hour, later: []time.Duration{hour}},
		{name: "own clock set back, another user's token seen", other: time.Second, setBack: hour, later: []time.Duration{hour}},
		{name: "own clock set back, revoked again", other: time.Second, setBack: hour, again: true, later: []time.Duration{hour}},
		{name: "own clock set back while stopped", other: time.Second, setBack: hour, restart: true, later: []time.Duration{hour}},
		{name: "own clock set back to 1970", other: time.Second, setBack: 56 * 365 * 24 * hour, restart: true, later: []time.Duration{56 * 365 * 24 * hour}},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := newIdleDaemon(t, nil)
			issued := k.clock.Read()
			ask := func(token string) resolve.Verdict { return k.ask(k.project("stack"), token) }
			token := k.upstream.StackToken(standin.TokenSpec{Subject: "ada", IssuedAt: issued.Add(c.ahead), Lifetime: 3 * hour})
			if c.other > 0 {
				wantAccepted(t, "another user's", ask(k.upstream.StackToken(standin.TokenSpec{Subject: "bob", IssuedAt: issued.Add(c.other)})))
			}
			if c.seen {
				wantAccepted(t, "before", ask(token))
			}
			if c.restart {
				k.restart()
			}
			k.clock.Advance(-c.setBack)
			k.revoke("subject", "ada", true)
			if c.again {
				k.unrevoke("subject", "ada", true)
				k.revoke("subject", "ada", true)
			}
			for _, d := range append([]time.Duration{0}, c.later...) {
				k.clock.Advance(issued.Add(d - c.setBack).Sub(k.clock.Read()))
				if v := ask(token); v.Status() == protocol.OK {
					t.Errorf("after %v: accepted", d)
				}
			}
			k.clock.Advance(issued.Add(testLeeway + 2*time.Second).Sub(k.clock.Read()))
			wantAccepted(t, "one that was issued later", ask(k.upstream.StackToken(standin.TokenSpec{Subject: "ada"})))
			wantOutcome(t, "in the end", ask(token), protocol.Rejected(protocol.ReasonRevoked))
		})
	}
}

// restart stops the daemon in an orderly way, and makes another one with its
// state.
func (k *idleDaemon) restart() {
	k.t.Helper()
	ended, end := context.WithCancel(k.t.Context())
	end()
	k.daemon.revocations.Keep(ended)
	k.end()
	k.begin(k.daemon.state.Load().config)
}

// sweep lets an upstream tell the host's own time, and forgets revocations that
// are over.
func (k *idleDaemon) sweep() {
	k.daemon.opts.wall.Hear(clock.Testimony{Date: k.clock.Read().Round(0), Asked: k.clock.Read(), Answered: k.clock.Read()})
	k.daemon.revocations.Sweep()
}

// TestARevocationIsKeptForTheConfiguredTime over restarts, whatever tokens were
// seen.
func TestARevocationIsKeptForTheConfiguredTime(t *testing.T) {
	const day = 24 * time.Hour
	for text, kept := range map[string]time.Duration{"": 30 * day, "30d": 30 * day, "2h": 2 * time.Hour, "forever": 100 * 365 * day} {
		t.Run(text, func(t *testing.T) {
			k := newIdleDaemon(t, func(c *config.Config) {
				if text == "" {
					return // the default
				}
				if err := c.RevocationRetention.UnmarshalText([]byte(text)); err != nil {
					t.Fatal(err)
				}
			})
			k.revoke("subject", "s", true)
			k.clock.Advance(kept - time.Minute)
			k.restart()
			k.sweep()
			if n := k.daemon.revocations.Len(); n != 1 {
				t.Errorf("%d are in force before it is over", n)
			}
			k.clock.Advance(time.Hour)
			k.restart()
			k.sweep()
			want := 0
			if text == "forever" {
				want = 1
			}
			if n := k.daemon.revocations.Len(); n != want {
				t.Errorf("%d are in force after it is over, want %d", n, want)
			}
		})
	}
}
