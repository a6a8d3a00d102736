package neonauthd_test

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/protocol"
)

// ending is a user with two sessions at an OAuth server, and the logout tokens that end them.
type ending struct {
	first, second         string // access tokens
	endsFirst, endsSecond string // the second token names the user and no session
}

func newEnding(u *e2e.Upstream) ending {
	one := standin.TokenSpec{Subject: "ada", Session: "first"}
	two := standin.TokenSpec{Subject: "ada", Session: "second"}
	all := standin.TokenSpec{Subject: "ada", Remove: []string{"sid"}}
	return ending{
		u.ResourceToken(standin.Neon, one), u.ResourceToken(standin.Neon, two),
		u.LogoutToken(standin.Neon, one), u.LogoutToken(standin.Neon, all),
	}
}

// TestALogoutThatWasAnsweredSurvivesAKill, for a session and for a subject.
func TestALogoutThatWasAnsweredSurvivesAKill(t *testing.T) {
	t.Parallel()
	u, f := e2e.NewUpstream(t, standin.Options{}), e2e.NewFolder(t)
	daemon := e2e.Serve(t, f, e2e.Settings{Tables: []string{u.Members()}})
	s := newEnding(u)
	for _, step := range []struct{ token, reply, first, second string }{
		{s.endsFirst, "OK ended=session changed=1", "NO revoked", "OK .*"},
		{s.endsSecond, "OK ended=subject changed=1", "NO revoked", "NO revoked"},
	} {
		e2e.Call(t, f.Socket()).Expect(t, "LOGOUT "+step.token, step.reply)
		daemon.Rough = true
		daemon.Kill(t)
		daemon = f.Start(t)
		c := e2e.Call(t, f.Socket())
		c.Expect(t, "VERIFY "+s.first, step.first)
		c.Expect(t, "VERIFY "+s.second, step.second)
		c.Expect(t, "LOGOUT "+step.token, strings.Replace(step.reply, "changed=1", "changed=0", 1))
	}
	e2e.Call(t, f.AdminSocket()).Expect(t, "REVOCATIONS", `OK \{"entries":2,.*"reason":"back-channel logout".*"reason":"back-channel logout".*`)
}

// TestAKeptAnswerEndsWithItsSession when LOGOUT has answered. The answer about another
// session of the user stays.
func TestAKeptAnswerEndsWithItsSession(t *testing.T) {
	t.Parallel()
	u, f := e2e.NewUpstream(t, standin.Options{}), e2e.NewFolder(t)
	e2e.Serve(t, f, e2e.Settings{Tables: []string{u.Members()}})
	peer, crossings := e2e.Call(t, f.Socket()), &spy{}
	c := crossings.client(f.Socket())
	defer c.Close()
	verify := func(token string) client.Answer { return c.Verify(t.Context(), token) }
	for range 20 {
		session := standin.TokenSpec{Subject: "ada"}
		session.Session = "kept " + time.Now().String()
		token, other := u.ResourceToken(standin.Neon, session), u.ResourceToken(standin.Neon, standin.TokenSpec{Subject: "ada"})
		kept := false
		for began := time.Now(); !kept && time.Since(began) < e2e.Timeout; {
			for range 50 {
				if _, ok := verify(token).(client.Accepted); !ok {
					t.Fatal("not accepted")
				}
				verify(other)
			}
			before := crossings.asked.Load()
			verify(token)
			verify(other)
			kept = crossings.asked.Load() == before
		}
		if !kept {
			t.Fatal("nothing is kept")
		}
		peer.Expect(t, "LOGOUT "+u.LogoutToken(standin.Neon, session), "OK ended=session changed=1")
		if a, ok := verify(token).(client.Rejected); !ok || a.Reason != protocol.ReasonRevoked {
			t.Fatalf("after LOGOUT has answered: %v", verify(token))
		}
		if _, ok := verify(other).(client.Accepted); !ok {
			t.Errorf("another session of the user: %v", verify(other))
		}
	}
}

// TestALogoutOnOneHostEndsTheSessionOnAll, although the answer to LOGOUT waits for no
// other host.
func TestALogoutOnOneHostEndsTheSessionOnAll(t *testing.T) {
	hosts, _, u := newFleetOf(t, 3, "", func(u *e2e.Upstream, _ *e2e.Folder) string { return u.Members() })
	s := newEnding(u)
	for _, h := range hosts {
		c := e2e.Call(t, h.Socket())
		c.Expect(t, "VERIFY project=members "+s.first, "OK .*")
		c.Expect(t, "VERIFY project=members "+s.second, "OK .*")
	}
	hosts[2].Freeze(t) // REVOKE would wait for this host
	e2e.Call(t, hosts[0].Socket()).Expect(t, "LOGOUT project=members "+s.endsFirst, "OK ended=session changed=1")
	hosts[2].Signal(t, syscall.SIGCONT)
	for _, h := range hosts {
		h.awaitReply(t, "VERIFY project=members "+s.first, "NO revoked")
		e2e.Call(t, h.Socket()).Expect(t, "VERIFY project=members "+s.second, "OK .*")
	}
}

// awaitReply repeats a line on the ordinary socket until the reply is the wanted one.
func (h *fleetHost) awaitReply(t *testing.T, line, want string) {
	t.Helper()
	c := e2e.Call(t, h.Socket())
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(e2e.Timeout); ; <-tick.C {
		reply := c.Ask(t, line)
		if reply == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s, the last reply is %s", want, e2e.Shorten(reply))
		}
	}
}
