package config

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/keyset"
)

// members is a sound configuration of a project that can take logout tokens.
func members(clients ...string) Config {
	c := sound()
	p := &c.Projects[0]
	p.Preset, p.ProjectID, p.BaseURL, p.LogoutClientIDs = "neon", "", "https://ep-x.example/neondb/auth", clients
	return c
}

func TestLogoutClientsAreBounded(t *testing.T) {
	many := func(n int) (ids []string) {
		for i := range n {
			ids = append(ids, fmt.Sprint("client", i))
		}
		return ids
	}
	long := func(n int) []string { return []string{strings.Repeat("c", n)} }
	for _, c := range []struct {
		clients []string
		good    bool
	}{
		{nil, true},
		{many(maxLogoutClients - 1), true}, {many(maxLogoutClients), true}, {many(maxLogoutClients + 1), false},
		{long(maxClientID - 1), true}, {long(maxClientID), true}, {long(maxClientID + 1), false},
	} {
		cfg := members(c.clients...)
		if err := cfg.Validate(); (err == nil) != c.good || err != nil && !strings.Contains(err.Error(), "logout_client_ids") {
			t.Errorf("%d clients of %d bytes: %v", len(c.clients), len(strings.Join(c.clients, "")), err)
		}
	}
}

// TestLogoutTokensAreJudgedByTheProjectsKeysAndIssuers: their audiences are the
// clients, and not those of its access tokens.
func TestLogoutTokensAreJudgedByTheProjectsKeysAndIssuers(t *testing.T) {
	for name, resources := range map[string][]string{"sessions": nil, "a resource": {"https://mcp.example/mcp"}} {
		c := members("one", "two")
		c.Projects[0].Resources, c.Projects[0].Issuers = resources, []string{"https://ep-x.example"}
		p := c.Projects[0].WithDerived()
		tokens, logouts := p.Policy(), p.LogoutPolicy()
		if tokens.Logout || !logouts.Logout || logouts.Resource || logouts.Role != "" || !slices.Equal(logouts.Algorithms, tokens.Algorithms) ||
			logouts.KeyIDOptional != tokens.KeyIDOptional || logouts.Leeway != tokens.Leeway || !slices.Equal(logouts.SessionClaims, []string{"sid"}) {
			t.Errorf("%s: %+v", name, logouts)
		}
		var audiences []string
		for _, a := range logouts.Admitted {
			audiences = append(audiences, a.Name)
			if a.Class != keyset.ClassNormal || !slices.Equal(a.Issuers, p.Issuers) {
				t.Errorf("%s: %+v", name, a)
			}
		}
		if !slices.Equal(audiences, []string{"one", "two"}) {
			t.Errorf("%s: for %q", name, audiences)
		}
	}
	c := members()
	p := c.Projects[0].WithDerived()
	if p.LogoutPolicy() != nil {
		t.Error("a project without clients takes logout tokens")
	}
	p.Introspection = &Introspection{ClientID: "own"}
	if got := p.LogoutPolicy(); len(got.Admitted) != 1 || got.Admitted[0].Name != "own" {
		t.Errorf("%+v", got)
	}
	p.LogoutClientIDs = []string{"one"}
	if got := p.LogoutPolicy(); len(got.Admitted) != 1 || got.Admitted[0].Name != "one" {
		t.Errorf("%+v", got)
	}
}

// TestItIsKnownHowFarTokensNameTheirSession: SessionNaming agrees with the
// session claims of the policy.
func TestItIsKnownHowFarTokensNameTheirSession(t *testing.T) {
	tried := map[string]bool{}
	for name, c := range map[string]struct {
		preset    string
		resources []string
		want      SessionNaming
	}{
		"Stack Auth":                 {"stack", nil, SessionsAlways},
		"session JWTs of Neon Auth":  {"neon", nil, SessionsNever},
		"access tokens of Neon Auth": {"neon", []string{"https://mcp.example"}, SessionsAlways},
		"an issuer":                  {"oidc", nil, SessionsPerhaps},
		"an issuer, a resource":      {"oidc", []string{"https://mcp.example"}, SessionsPerhaps},
	} {
		tried[c.preset] = true
		p := DefaultProject()
		p.Preset, p.BaseURL, p.Resources = c.preset, "https://issuer.example", c.resources
		p = p.WithDerived()
		if got := p.SessionNaming(); got != c.want || (got == SessionsNever) != (len(p.Policy().SessionClaims) == 0) {
			t.Errorf("%s: %v", name, got)
		}
	}
	for preset := range presets {
		if !tried[preset] {
			t.Errorf("preset %s is not in the table", preset)
		}
	}
}

func TestSessionLifetimesAreOfEachProject(t *testing.T) {
	c := sound()
	setProjects(&c, 2)
	c.Projects[1].SessionLifetime = Forever
	if got := c.SessionLifetimes(); len(got) != 2 || got["p0"] != 30*24*time.Hour || got["p1"] != 0 {
		t.Errorf("%v", got)
	}
}
