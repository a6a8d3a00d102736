package daemon

import (
	"fmt"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/resolve"
	"github.com/neonauthd/neonauthd/daemon/standin"
)

// TestASessionThatTheUpstreamDeniedStaysDenied: a profile that was fetched before the denial must not be served after
// the memory of the denial ends, neither while it would still be fresh nor when the upstream fails.
func TestASessionThatTheUpstreamDeniedStaysDenied(t *testing.T) {
	for name, fault := range map[string]*standin.Fault{
		"upstream answers": nil,
		"upstream is down": {Kind: standin.Status, Status: 503},
	} {
		t.Run(name, func(t *testing.T) {
			w := newLiveDaemon(t, nil)
			session, err := w.upstream.SignIn(w.user.ID)
			if err != nil {
				t.Fatal(err)
			}
			k := w.dial()
			if reply := k.Ask("PROFILE project=neon %s", session.NeonCookie); head(reply) != "OK" {
				t.Fatal(reply)
			}
			w.upstream.RevokeSession(session.SessionID)
			w.clock.advance(time.Second)
			if reply := k.Ask("PROFILE project=neon max-age=0 %s", session.NeonCookie); reply != "NO rejected-upstream" {
				t.Fatal(reply)
			}
			if fault != nil {
				w.upstream.Inject(standin.GetSession, *fault)
			}
			for range 4 {
				w.clock.advance(resolve.DenialLifetime + time.Second)
				if reply := k.Ask("PROFILE project=neon %s", session.NeonCookie); head(reply) == "OK" {
					t.Errorf("accepted after the denial: %.60s", reply)
				}
			}
		})
	}
}

// TestADeniedTokenIsNotServedWhatWasFetchedBefore tests the same for access tokens: the profile is the user's, but
// the denial was about this token.
func TestADeniedTokenIsNotServedWhatWasFetchedBefore(t *testing.T) {
	w := newLiveDaemon(t, withoutOIDC)
	k := w.dial()
	token := w.token()
	if reply := k.Ask("PROFILE %s", token); head(reply) != "OK" {
		t.Fatal(reply)
	}
	w.upstream.Inject(standin.Me, standin.Fault{Kind: standin.KnownError, Code: "UNPARSABLE_ACCESS_TOKEN"})
	if reply := k.Ask("PROFILE max-age=0 %s", token); reply != "NO rejected-upstream" {
		t.Fatal(reply)
	}
	w.upstream.ClearAll()
	w.upstream.Inject(standin.Me, standin.Fault{Kind: standin.Status, Status: 503})
	for range 3 {
		w.clock.advance(resolve.DenialLifetime + time.Second)
		if reply := k.Ask("PROFILE %s", token); head(reply) != "ERR unavailable" {
			t.Errorf("after the denial: %.60s", reply)
		}
	}
}

// TestAnAcceptedTokenIsNoLongerDenied: an answer of the upstream replaces its earlier answer about the same token.
func TestAnAcceptedTokenIsNoLongerDenied(t *testing.T) {
	w := newLiveDaemon(t, withoutOIDC)
	k := w.dial()
	token := w.token()
	w.upstream.Inject(standin.Me, standin.Fault{Kind: standin.KnownError, Code: "UNPARSABLE_ACCESS_TOKEN"})
	for _, c := range []struct{ fields, want string }{
		{"", "NO rejected-upstream"},
		{"max-age=0 ", "OK"},
		{"", "OK"},
	} {
		if c.fields != "" {
			w.upstream.ClearAll()
		}
		if reply := k.Ask("PROFILE %s%s", c.fields, token); head(reply) != c.want {
			t.Errorf("%q: %.60s, want %s", c.fields, reply, c.want)
		}
	}
}

// TestTheClaimsOfWhoWasDeniedWillNotDo when the upstream fails after a denial. The reason of the denial may be over,
// so the token is not rejected. The denial was the last answer, so the token is not accepted either.
func TestTheClaimsOfWhoWasDeniedWillNotDo(t *testing.T) {
	w := introspecting(t, nil)
	banned, deleted := w.upstream.AddUser(standin.User{}).ID, w.upstream.AddUser(standin.User{Email: "x@example.org", EmailVerified: true}).ID
	for _, c := range []struct {
		name, project, user, token, no string
		endpoint                       standin.Endpoint
		deny                           func()
	}{
		{"a token that is bad", "main", w.user.ID, w.token(), "NO rejected-upstream", standin.Me, func() {
			w.upstream.Inject(standin.Me, standin.Fault{Kind: standin.KnownError, Code: "UNPARSABLE_ACCESS_TOKEN"})
		}},
		{"a token that introspection judges", "mcp", banned, w.upstream.ResourceToken(standin.Neon, standin.TokenSpec{Subject: banned}), "NO rejected-upstream", standin.Introspection, func() {
			w.upstream.Ban(banned, "")
		}},
		{"a user who is gone", "main", deleted, w.upstream.StackToken(standin.TokenSpec{Subject: deleted}), "NO user-not-found", standin.Me, func() { w.upstream.DeleteUser(deleted) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := w.dial()
			want := func(fields, want string) {
				t.Helper()
				if reply := k.Ask("PROFILE project=%s %s %s", c.project, fields, c.token); head(reply) != want && reply != want {
					t.Errorf("%q: %.90s, want %s", fields, reply, want)
				}
			}
			want("fallback=claims", "OK")
			c.deny()
			want("max-age=0", c.no)
			w.upstream.ClearAll()
			w.upstream.Inject(c.endpoint, standin.Fault{Kind: standin.Status, Status: 503})
			t.Cleanup(w.upstream.ClearAll)
			for range 3 {
				want("max-age=0 fallback=claims", "ERR unavailable")
				want("max-age=0", "ERR unavailable")
				w.clock.advance(resolve.DenialLifetime + time.Second)
				want("fallback=claims", "ERR unavailable")
				want("deadline=1000", "ERR unavailable")
			}
			w.dialAdmin().Ask("PURGE project=%s subject %s", c.project, c.user)
			want("fallback=claims", "OK") // the operator has decided that this is enough
		})
	}
}

// TestAReloadTakesNoDenialBack that the upstream has not taken back, unless the new configuration asks another
// upstream.
func TestAReloadTakesNoDenialBack(t *testing.T) {
	w := newLiveDaemon(t, withoutOIDC)
	gone := w.upstream.AddUser(standin.User{Email: "x@example.org"}).ID
	token, k, admin := w.upstream.StackToken(standin.TokenSpec{Subject: gone}), w.dial(), w.dialAdmin()
	w.upstream.DeleteUser(gone)
	if reply := k.Ask("PROFILE fallback=claims %s", token); reply != "NO user-not-found" {
		t.Fatal(reply)
	}
	w.upstream.Inject(standin.Me, standin.Fault{Kind: standin.Status, Status: 503})
	for _, c := range [][3]string{
		{"preset = ", "leeway = \"7s\"\npreset = ", "ERR unavailable"},
		{"leeway = \"7s\"\npreset = ", "allow = [\"restricted\"]\npreset = ", "ERR unavailable"},
		{"base_url = ", "userinfo_url = \"\"\nissuers = [" + fmt.Sprintf("%q", w.upstream.BaseURL()) + "]\nbase_url = ", "ERR unavailable"},
		{"base_url = \"" + w.upstream.BaseURL(), "base_url = \"" + w.upstream.BaseURL() + "/", "ERR unavailable"},
		{"base_url = \"" + w.upstream.BaseURL(), "jwks_url = \"" + w.upstream.KeysURL(standin.Stack) + "\"\nbase_url = \"" + w.upstream.BaseURL() + "/other", "OK"},
	} {
		w.rewrite(c[0], c[1])
		if reply := admin.Ask("RELOAD"); reply != "OK" {
			t.Fatal(reply)
		}
		if reply := k.Ask("PROFILE fallback=claims %s", token); head(reply) != c[2] {
			t.Errorf("after %s: %.90s, want %s", c[1], reply, c[2])
		}
	}
}
