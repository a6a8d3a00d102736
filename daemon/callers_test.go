package daemon

import (
	"os"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
)

func TestWithheldMembersAreMissingFromProfilesOnly(t *testing.T) {
	uid := uint32(os.Getuid())
	w := newLiveDaemon(t, func(c *config.Config) {
		withoutOIDC(c)
		c.Callers = []config.Caller{{UID: &uid, Withhold: []string{"server_metadata", "selected_team.display_name"}}}
	})
	w.upstream.SetProfile(w.user.ID, "server_metadata", map[string]any{"plan": "secret"})
	k := w.dial()
	for range 2 { // first fetched, then from memory
		if reply := k.Ask("PROFILE %s", w.token()); head(reply) != "OK" || strings.Contains(reply, "secret") || !strings.Contains(reply, `"primary_email"`) {
			t.Errorf("%.300s", reply)
		}
	}
	token := w.upstream.StackToken(standin.TokenSpec{Subject: w.user.ID, Set: map[string]any{"server_metadata": "in the token"}})
	if reply := k.Ask("VERIFY %s", token); !strings.Contains(reply, "in the token") {
		t.Errorf("claims are not profile fields: %.300s", reply)
	}
	if reply := w.dialAdmin().Ask("PROFILE %s", w.token()); !strings.Contains(reply, "secret") {
		t.Errorf("rules hold on the admin socket: %.300s", reply)
	}
}

func TestWhoMatchesNoRuleIsForbiddenEverythingButToTalk(t *testing.T) {
	other := uint32(os.Getuid()) + 1
	w := newLiveDaemon(t, func(c *config.Config) {
		withoutOIDC(c)
		c.Callers = []config.Caller{{UID: &other}}
	})
	k := w.dial()
	for _, c := range []struct{ ask, want string }{
		{"PING", "OK"},
		{"VERIFY " + w.token(), "ERR forbidden"},
		{"PROFILE " + w.token(), "ERR forbidden"},
		{"VERIFY not-a-token", "ERR forbidden"},
		{"LOGOUT not-a-token", "ERR forbidden"},
		{"LOGOUT", "ERR bad-request"},
		{"LOGOUT project=nowhere x", "ERR unknown-project"},
		{"VERIFY", "ERR bad-request"},
		{"VERIFY project=nowhere x", "ERR unknown-project"},
	} {
		if reply := k.Ask("%s", c.ask); !strings.HasPrefix(reply, c.want) {
			t.Errorf("%.20s: %.80s, want %s", c.ask, reply, c.want)
		}
	}
	if reply := k.Ask("HELLO 1 me"); head(reply) != "OK" || e2e.Field(reply, "projects") != "" {
		t.Errorf("HELLO: %s", reply)
	}
}

// TestTheFirstOfSeveralFaultsIsAnswered compares the replies to requests with two
// faults with the order that the protocol gives.
func TestTheFirstOfSeveralFaultsIsAnswered(t *testing.T) {
	uid := uint32(os.Getuid())
	w := newLiveDaemon(t, func(c *config.Config) {
		withoutOIDC(c)
		c.Callers = []config.Caller{{UID: &uid, Projects: []string{"main"}, Levels: []string{"claims"}, Rate: 1e-9}}
	})
	k := w.dial()
	k.Ask("VERIFY x") // uses up the rate
	for _, c := range []struct{ ask, want string }{
		{"SING project=nowhere", "ERR unknown-verb"},
		{"STATS project=nowhere", "ERR forbidden"},
		{"VERIFY project=nowhere colour=red x", "ERR bad-request"},
		{"VERIFY project=nowhere deadline=0 x", "ERR bad-request"},
		{"VERIFY project=nowhere x y", "ERR bad-request"},
		{"VERIFY project=nowhere x", "ERR unknown-project"},
		{"VERIFY project=neon x", "ERR forbidden"},
		{"PROFILE project=main x", "ERR forbidden"},
		{"VERIFY project=main x", "ERR busy retry-after=3600"},
	} {
		if reply := k.Ask("%s", c.ask); !strings.HasPrefix(reply, c.want) {
			t.Errorf("%s: %s, want %s", c.ask, reply, c.want)
		}
	}
}

// TestACallersRuleHoldsForLogoutsToo, except for its levels, because a logout token
// asks for none.
func TestACallersRuleHoldsForLogoutsToo(t *testing.T) {
	uid := uint32(os.Getuid())
	w := newLiveDaemon(t, func(c *config.Config) {
		members(c)
		c.Callers = []config.Caller{{UID: &uid, Projects: []string{"mcp"}, Levels: []string{"profile"}, Rate: 1}}
	})
	logout := func(session string) string {
		return w.upstream.LogoutToken(standin.Neon, standin.TokenSpec{Subject: w.user.ID, Session: session, Client: "client"})
	}
	k := w.dial()
	for _, c := range []struct{ ask, want string }{
		{"LOGOUT project=oidc " + logout("a"), "ERR forbidden"},
		{"LOGOUT " + logout("a"), "ERR forbidden"},
		{"LOGOUT project=mcp " + logout("a"), "OK ended=session changed=1"},
		{"LOGOUT project=mcp " + logout("b"), "ERR busy retry-after=1"},
	} {
		if reply := k.Ask("%s", c.ask); !strings.HasPrefix(reply, c.want) {
			t.Errorf("%.30s: %.80s, want %s", c.ask, reply, c.want)
		}
	}
	// The rule decides who may bring the token. The session has ended in project
	// neon too, because neon has the same issuer and client.
	if n := w.daemon.revocations.Len(); n != 3 {
		t.Errorf("%d are revoked", n)
	}
}
