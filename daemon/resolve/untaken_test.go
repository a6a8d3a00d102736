package resolve

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/daemon/standin"
)

// newDoors returns a harness with projects that differ in the kinds of credentials that they
// take: "stack" takes no API keys, "users" and "teams" those of one type ("teams" admits no
// teams), "both" all; "mcp" is a resource, and "mcpi" one that introspects.
func newDoors(t *testing.T) *harness {
	t.Helper()
	h := newHarness(t, func(c *config.Config) {
		if err := os.WriteFile(filepath.Join(c.Dir, "secret"), []byte("s3cret"), 0o600); err != nil {
			t.Fatal(err)
		}
		add := func(p config.Project, name string, change func(*config.Project)) {
			p.Name = name
			change(&p)
			c.Projects = append(c.Projects, p)
		}
		for _, p := range c.Projects {
			switch p.Preset {
			case "stack":
				add(p, "users", func(p *config.Project) { p.APIKeys = []string{config.APIKeysUser} })
				add(p, "teams", func(p *config.Project) { p.APIKeys = []string{config.APIKeysTeam} })
				add(p, "both", func(p *config.Project) {
					p.APIKeys, p.Allow = []string{config.APIKeysUser, config.APIKeysTeam}, []string{config.AllowTeam}
				})
			case "neon":
				add(p, "mcp", func(p *config.Project) { p.Resources = []string{"https://mcp.example.net/mcp"} })
				add(p, "mcpi", func(p *config.Project) {
					p.Resources, p.Introspection = []string{"https://mcp.example.net/mcp"}, &config.Introspection{ClientID: "checker", Secret: "./secret"}
				})
			}
		}
	})
	for _, name := range []string{"users", "teams", "both", "mcp", "mcpi"} {
		h.giveKeys(h.project(name))
	}
	return h
}

// TestEXPLAINNamesTheKindAndWhy at each project, for each kind of credential. "" is a
// credential that the project takes.
func TestEXPLAINNamesTheKindAndWhy(t *testing.T) {
	h := newDoors(t)
	ada := h.upstream.AddUser(standin.User{Name: "Ada"})
	session, err := h.upstream.SignIn(ada.ID)
	if err != nil {
		t.Fatal(err)
	}
	userKey := h.upstream.APIKey(standin.APIKeySpec{User: ada.ID})
	bare, _, _ := strings.Cut(session.NeonCookie, ".")
	idToken := h.upstream.NeonToken(standin.TokenSpec{Subject: ada.ID, Set: map[string]any{"aud": "app", "at_hash": "x", "auth_time": 1}, Remove: []string{"role"}})
	const (
		cut      = "it looks like an API key of Stack Auth, and has not the form or not the checksum of one"
		ask      = "which only the upstream can judge: ask PROFILE"
		noUsers  = `it is an API key of a user, and the project takes API keys of teams only: api_keys in the configuration lacks "user"`
		noTeams  = `it is an API key of a team, and the project takes API keys of users only: api_keys in the configuration lacks "team"`
		resource = "the project is a resource, which takes access tokens for https://mcp.example.net/mcp only"
		anID     = "its claims are those of an ID token"
	)
	of := func(kind, why string) string { return "it is an API key of a " + kind + ", and " + why }
	for _, c := range []struct {
		kind, credential string
		want             map[string]string // by project
	}{
		{"API key of a user", userKey, map[string]string{
			"stack": of("user", "the project takes none: see api_keys"), "users": "an API key of a user, " + ask, "teams": noUsers, "both": "an API key of a user, " + ask,
			"neon": of("user", `a project of preset "neon" takes none`), "mcp": of("user", `a project of preset "neon" takes none`), "oidc": of("user", `a project of preset "oidc" takes none`),
		}},
		{"API key of a team", h.upstream.APIKey(standin.APIKeySpec{Team: "t1"}), map[string]string{
			"stack": of("team", "the project takes none: see api_keys"), "users": noTeams, "both": "an API key of a team, " + ask,
			"teams": `the project does not admit teams: allow in the configuration lacks "team"`,
		}},
		{"API key with a wrong checksum", userKey[:len(userKey)-1] + "g", map[string]string{"stack": cut, "users": cut, "teams": cut, "both": cut, "neon": cut}},
		{"session cookie", session.NeonCookie, map[string]string{
			"neon": "a session credential, " + ask, "mcp": "it is a session credential of Better Auth, and " + resource, "mcpi": "it is a session credential of Better Auth, and " + resource,
			"stack": `it is a session credential of Better Auth, and this project of preset "stack" takes no sessions`,
		}},
		{"opaque access token", bare, map[string]string{
			"mcp":  "it has the form of an opaque access token, and of the token of a session without its signature, and " + resource + ", and opaque ones only with introspection",
			"mcpi": "an opaque access token, " + ask, "neon": "a session credential, " + ask,
			"stack": "it has the form of an opaque access token, and of the token of a session without its signature, and this project",
		}},
		{"session JWT", h.upstream.NeonToken(standin.TokenSpec{Subject: ada.ID}), map[string]string{
			"neon": "", "mcp": "it is the token of a session, and the project takes access tokens for its resources only",
			"mcpi": "it is the token of a session, and the project takes access tokens for its resources only",
		}},
		{"ID token", idToken, map[string]string{"neon": `"at_hash" is of an ID token`, "mcp": anID, "mcpi": anID}},
		{"resource token", h.upstream.ResourceToken(standin.Neon, standin.TokenSpec{Subject: ada.ID}), map[string]string{
			"neon": `"typ" names an OAuth access token for a resource, and the project takes none`, "mcp": "", "mcpi": "",
		}},
		{"logout token", h.upstream.LogoutToken(standin.Neon, standin.TokenSpec{Subject: ada.ID}), map[string]string{
			"neon": `"typ" names a logout token`, "mcp": `"typ" names a logout token`,
		}},
	} {
		for project, want := range c.want {
			x := h.resolver.Explain(&Lookup{Project: h.project(project), Token: []byte(c.credential)})
			var failed, all []string
			for _, check := range x.Checks {
				all = append(all, check.Detail)
				if check.Result == keyset.Failed {
					failed = append(failed, check.Detail)
				}
			}
			said := strings.Join(all, "; ")
			switch asks := strings.Contains(want, ask); {
			case want == "" && len(failed) > 0:
				t.Errorf("%s at %s: %q", c.kind, project, failed)
			case !strings.Contains(said, want):
				t.Errorf("%s at %s: %q, want %q", c.kind, project, said, want)
			case want != "" && asks == (len(failed) > 0):
				t.Errorf("%s at %s: failed checks are %q", c.kind, project, failed)
			}
			if strings.Contains(said, c.credential[:20]) {
				t.Errorf("%s at %s: it is repeated", c.kind, project)
			}
		}
	}
}
