package daemon

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

// TestARevokedSessionCredentialStaysRevoked over a restart, as long as the
// session lasts: a week, where access tokens last minutes.
func TestARevokedSessionCredentialStaysRevoked(t *testing.T) {
	w := newLiveDaemon(t, nil)
	session, err := w.upstream.SignIn(w.user.ID)
	if err != nil {
		t.Fatal(err)
	}
	if reply := w.dial().ask("PROFILE project=neon %s", session.NeonCookie); head(reply) != "OK" {
		t.Fatal(reply)
	}
	if reply := w.dialAdmin().ask("REVOKE project=neon session %s", session.SessionID); head(reply) != "OK" {
		t.Fatal(reply)
	}
	w.halt()
	w.clock.advance(6 * 24 * time.Hour)
	w.start()
	if reply := w.dial().ask("PROFILE project=neon %s", session.NeonCookie); reply != "NO revoked" {
		t.Errorf("six days later: %.60s", reply)
	}
}

// TestARevokedUsersLaterSessionIsGood: who signs in after the revocation is not
// covered by it, with a session credential either.
func TestARevokedUsersLaterSessionIsGood(t *testing.T) {
	w := newLiveDaemon(t, nil)
	k := w.dial()
	for _, c := range []struct {
		name, want string
		revoke     bool
	}{
		{"earlier session", "NO revoked", true},
		{"later session", "OK level=profile", false},
	} {
		session, err := w.upstream.SignIn(w.user.ID)
		if err != nil {
			t.Fatal(err)
		}
		if c.revoke {
			if reply := w.dialAdmin().ask("REVOKE project=neon subject %s", w.user.ID); head(reply) != "OK" {
				t.Fatal(reply)
			}
			w.clock.advance(testLeeway + 2*time.Second)
		}
		if reply := k.ask("PROFILE project=neon %s", session.NeonCookie); len(reply) < len(c.want) || reply[:len(c.want)] != c.want {
			t.Errorf("%s: %.60s, want %s", c.name, reply, c.want)
		}
	}
}

// TestARevokedUsersSessionIsCoveredThatBeganInTheFuture by this host's clock: the
// upstream's is ahead by more than the leeway, so when it began is not known.
func TestARevokedUsersSessionIsCoveredThatBeganInTheFuture(t *testing.T) {
	k := newIdleDaemon(t, nil)
	p, now := k.project("neon"), k.clock.now()
	if changed, err := k.daemon.revocations.Revoke(revoke.Mark{Kind: revoke.KindSubject, Project: "neon", Value: "ada"}, testLeeway, time.Time{}); !changed || err != nil {
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
		e := sessionEntry(p, &upstream.Profile{Subject: "ada", Started: now.Add(c.ahead), Expires: now.Add(24 * time.Hour)}, 0, now)
		if covered := e.revoked(k.daemon.revocations, []byte("credential")); covered != c.covered {
			t.Errorf("%s: covered %v", c.name, covered)
		}
	}
	k.clock.advance(testLeeway + time.Second)
	now = k.clock.now()
	later := sessionEntry(p, &upstream.Profile{Subject: "ada", Started: now, Expires: now.Add(24 * time.Hour)}, 0, now)
	if later.revoked(k.daemon.revocations, []byte("credential")) {
		t.Error("a session that began later is covered")
	}
}

// TestARevokedUsersEarlierTokenIsCoveredToTheFraction of a second, where its
// issuer tells that.
func TestARevokedUsersEarlierTokenIsCoveredToTheFraction(t *testing.T) {
	k := newIdleDaemon(t, nil)
	p := k.project("stack")
	now := k.clock.now()
	k.clock.advance(now.Truncate(time.Second).Add(time.Second + 900*time.Millisecond).Sub(now))
	earlier := json.RawMessage(fmt.Sprintf("%d.2", k.clock.now().Unix()))
	token := k.upstream.StackToken(standin.TokenSpec{Subject: "ada", Set: map[string]any{"iat": earlier}})
	wantAccepted(t, "before", k.ask(p, token))
	k.revoke("subject", "ada", true)
	wantOutcome(t, "after", k.ask(p, token), protocol.Rejected(protocol.ReasonRevoked))
}
