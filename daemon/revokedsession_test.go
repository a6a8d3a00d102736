package daemon

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin"
)

// TestARevokedSessionCredentialStaysRevoked over a restart, as long as the
// session lasts: a week, where access tokens last minutes.
func TestARevokedSessionCredentialStaysRevoked(t *testing.T) {
	w := newWorld(t, nil)
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
	w := newWorld(t, nil)
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
			w.clock.advance(2 * time.Second)
		}
		if reply := k.ask("PROFILE project=neon %s", session.NeonCookie); len(reply) < len(c.want) || reply[:len(c.want)] != c.want {
			t.Errorf("%s: %.60s, want %s", c.name, reply, c.want)
		}
	}
}

// TestARevokedUsersEarlierTokenIsCoveredToTheFraction of a second, where its
// issuer tells that.
func TestARevokedUsersEarlierTokenIsCoveredToTheFraction(t *testing.T) {
	k := newDesk(t, nil)
	p := k.project("stack")
	now := k.clock.now()
	k.clock.advance(now.Truncate(time.Second).Add(time.Second + 900*time.Millisecond).Sub(now))
	earlier := json.RawMessage(fmt.Sprintf("%d.2", k.clock.now().Unix()))
	token := k.upstream.StackToken(standin.TokenSpec{Subject: "ada", Set: map[string]any{"iat": earlier}})
	wantAccepted(t, "before", k.ask(p, token))
	k.revoke("subject", "ada", true)
	wantReason(t, "after", k.ask(p, token), Rejected, Revoked)
}
