package resolve

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/revoke"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/daemon/upstream"
	"github.com/neonauthd/neonauthd/protocol"
)

// TestARevokedUsersSessionIsCoveredThatBeganInTheFuture by this host's clock: the
// upstream's clock is ahead by more than the leeway, so it is not known when the
// session began.
func TestARevokedUsersSessionIsCoveredThatBeganInTheFuture(t *testing.T) {
	k := newHarness(t, nil)
	p, now := k.project("neon"), k.clock.Read()
	if changed, err := k.revocations.Revoke(revoke.Mark{Kind: revoke.KindSubject, Project: "neon", Value: "ada"}, revoke.Origin{}, testLeeway, time.Time{}); !changed || err != nil {
		t.Fatal(changed, err)
	}
	for _, c := range []struct {
		name    string
		ahead   time.Duration
		covered bool
	}{
		{"began before", -time.Hour, true},
		{"as far ahead as the leeway", testLeeway, true},
		{"farther ahead", testLeeway + time.Second, true},
		{"an hour ahead", time.Hour, true},
	} {
		e := newEntry(&Lookup{Project: p}, p.claimsOf(&upstream.Profile{Subject: "ada", Started: now.Add(c.ahead), Expires: now.Add(24 * time.Hour)}), 0, now)
		if covered := e.revoked(k.revocations); covered != c.covered {
			t.Errorf("%s: covered %v", c.name, covered)
		}
	}
	k.clock.Advance(testLeeway + time.Second)
	now = k.clock.Read()
	later := newEntry(&Lookup{Project: p}, p.claimsOf(&upstream.Profile{Subject: "ada", Started: now, Expires: now.Add(24 * time.Hour)}), 0, now)
	if later.revoked(k.revocations) {
		t.Error("a session that began later is covered")
	}
}

// TestARevokedUsersEarlierTokenIsCoveredToTheFraction of a second, if the token's
// iat has a fraction.
func TestARevokedUsersEarlierTokenIsCoveredToTheFraction(t *testing.T) {
	k := newHarness(t, nil)
	p := k.project("stack")
	now := k.clock.Read()
	k.clock.Advance(now.Truncate(time.Second).Add(time.Second + 900*time.Millisecond).Sub(now))
	earlier := json.RawMessage(fmt.Sprintf("%d.2", k.clock.Read().Unix()))
	token := k.upstream.StackToken(standin.TokenSpec{Subject: "ada", Set: map[string]any{"iat": earlier}})
	wantAccepted(t, "before", k.ask(p, token))
	k.revoke("subject", "ada", true)
	wantOutcome(t, "after", k.ask(p, token), protocol.Rejected(protocol.ReasonRevoked))
}
