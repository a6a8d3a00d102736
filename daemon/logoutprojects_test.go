package daemon

import (
	"slices"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/standin"
)

// TestALogoutEndsTheSessionInEachProjectThatItIsFor: in each project with the issuer
// and an audience of the token, whichever of them the token is given to.
func TestALogoutEndsTheSessionInEachProjectThatItIsFor(t *testing.T) {
	w := newLiveDaemon(t, func(c *config.Config) {
		resources(c)
		mcp := slices.IndexFunc(c.Projects, func(p config.Project) bool { return p.Name == "mcp" })
		first, second, stranger, down := c.Projects[mcp], c.Projects[mcp], c.Projects[0], c.Projects[mcp]
		first.Name, first.LogoutClientIDs = "first", []string{"first", "shared", "unheard"}
		second.Name, second.LogoutClientIDs = "second", []string{"second", "shared"}
		for _, p := range c.Projects {
			if p.Preset == "oidc" && len(p.Resources) > 0 {
				stranger = p
			}
		}
		stranger.Name, stranger.LogoutClientIDs = "stranger", []string{"first", "second", "shared"} // of another issuer
		down.Name, down.LogoutClientIDs, down.JWKSURL = "down", []string{"unheard"}, "http://127.0.0.1:1/"
		c.Projects = append(c.Projects, first, second, stranger, down)
	})
	s, k := w.upstream, w.dial()
	for name, c := range map[string]struct {
		given, reply string
		audience     any
		ends         []string
	}{
		"to one's client":                 {"first", "OK ended=session changed=1", "first", []string{"first"}},
		"to the other's client":           {"second", "OK ended=session changed=1", "second", []string{"second"}},
		"to the other's, at the first":    {"first", "NO wrong-audience", "second", nil},
		"to both clients":                 {"first", "OK ended=session changed=1", []string{"second", "first"}, []string{"first", "second"}},
		"to both clients, at the other":   {"second", "OK ended=session changed=1", []string{"second", "first"}, []string{"first", "second"}},
		"to a client of both":             {"first", "OK ended=session changed=1", "shared", []string{"first", "second"}},
		"to a client of one that is down": {"first", "ERR keys-pending", "unheard", []string{"first"}},
	} {
		spec := standin.TokenSpec{Subject: w.user.ID, Session: name, Client: "app"}
		token := s.ResourceToken(standin.Neon, spec)
		spec.Set = map[string]any{"aud": c.audience}
		logout := s.LogoutToken(standin.Neon, spec)
		if reply := k.Ask("LOGOUT project=%s %s", c.given, logout); !strings.HasPrefix(reply, c.reply) {
			t.Errorf("%s: %s, want %s", name, reply, c.reply)
		}
		for _, project := range []string{"first", "second"} {
			want := map[bool]string{true: "NO revoked", false: "OK "}[slices.Contains(c.ends, project)]
			if reply := k.Ask("VERIFY project=%s %s", project, token); !strings.HasPrefix(reply, want) {
				t.Errorf("%s: %s says %.60s, want %s", name, project, reply, want)
			}
		}
		if again := k.Ask("LOGOUT project=%s %s", c.given, logout); !strings.HasPrefix(again, strings.Replace(c.reply, "changed=1", "changed=0", 1)) {
			t.Errorf("%s, once more: %s", name, again)
		}
	}
	if list := w.dialAdmin().Ask("REVOCATIONS project=stranger"); !strings.Contains(list, `"revocations":[]`) {
		t.Errorf("another issuer's: %s", list)
	}
}
