package daemon

import (
	"testing"
	"time"
)

// TestARevokedSessionCredentialStaysRevoked over a restart, for as long as the
// session lasts: a week, while access tokens last minutes.
func TestARevokedSessionCredentialStaysRevoked(t *testing.T) {
	w := newLiveDaemon(t, nil)
	session, err := w.upstream.SignIn(w.user.ID)
	if err != nil {
		t.Fatal(err)
	}
	if reply := w.dial().Ask("PROFILE project=neon %s", session.NeonCookie); head(reply) != "OK" {
		t.Fatal(reply)
	}
	if reply := w.dialAdmin().Ask("REVOKE project=neon session %s", session.SessionID); head(reply) != "OK" {
		t.Fatal(reply)
	}
	w.halt()
	w.clock.advance(6 * 24 * time.Hour)
	w.start()
	if reply := w.dial().Ask("PROFILE project=neon %s", session.NeonCookie); reply != "NO revoked" {
		t.Errorf("six days later: %.60s", reply)
	}
}

// TestARevokedUsersLaterSessionIsGood: a session that begins after the
// revocation of its user is not covered, and neither is its session credential.
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
			if reply := w.dialAdmin().Ask("REVOKE project=neon subject %s", w.user.ID); head(reply) != "OK" {
				t.Fatal(reply)
			}
			w.clock.advance(testLeeway + 2*time.Second)
		}
		if reply := k.Ask("PROFILE project=neon %s", session.NeonCookie); len(reply) < len(c.want) || reply[:len(c.want)] != c.want {
			t.Errorf("%s: %.60s, want %s", c.name, reply, c.want)
		}
	}
}
