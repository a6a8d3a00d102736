package config

import (
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/daemon/keyset"
)

// TestAPresetIsAskedAsItself: an entry that leaves out Upstream would be asked as Stack
// Auth is.
func TestAPresetIsAskedAsItself(t *testing.T) {
	for name, preset := range presets {
		if preset.Upstream.String() != name {
			t.Errorf("preset %q is asked as %q", name, preset.Upstream)
		}
	}
}

// TestAPresetThatSaysNothingOfItselfIsSafe: whoever adds a preset can forget a field.
func TestAPresetThatSaysNothingOfItselfIsSafe(t *testing.T) {
	const name = "new"
	presets[name] = Preset{
		check: func(*Project, reporter) {}, derive: func(*Project) {},
		policy: func(*Project) *keyset.Policy { return &keyset.Policy{SessionClaims: []string{"session"}} },
	}
	defer delete(presets, name)
	for kind, resources := range map[string][]string{"a project": nil, "a resource": {"https://mcp.example"}} {
		c := sound()
		p := &c.Projects[0]
		p.Preset, p.ProjectID, p.Resources, p.Introspection = name, "", resources, &Introspection{ClientID: "c"}
		if got := p.SessionNaming(); got != SessionsPerhaps {
			t.Errorf("%s: a logout goes by tokens that name their session: %v", kind, got)
		}
		if !p.IntrospectsTokens() || p.IntrospectionPolicy().AudienceOptional {
			t.Errorf("%s: access tokens are not asked about, or taken for any audience", kind)
		}
		if m := p.Meaning(); m.ServerKey || m.Sessions || m.APIKeys || m.Metadata {
			t.Errorf("%s: %+v", kind, m)
		}
		if clients := p.LogoutClients(); len(clients) > 0 {
			t.Errorf("%s: logout tokens for %q are taken", kind, clients)
		}
		if err := c.Validate(); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		p.APIKeys, p.LogoutClientIDs, p.Issuers = []string{APIKeysUser}, []string{"c"}, []string{" "}
		for _, key := range []string{"api_keys", "logout_client_ids", "issuers"} {
			if err := c.Validate(); err == nil || !strings.Contains(err.Error(), key+": ") {
				t.Errorf("%s: %s is taken: %v", kind, key, err)
			}
		}
	}
}
