package resolve

import (
	"slices"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/keyring"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/protocol"
)

const otherResource = "https://files.example.net/api"

// newOpenDoors returns a harness with three projects that the upstream answers: "stack" takes API keys, "mcp" is a resource
// server that introspects, and "files" is one that does not.
func newOpenDoors(t testing.TB) *harness {
	t.Helper()
	h := newIntrospecting(t, config.DefaultIntrospectionLimit, func(c *config.Config) {
		c.Projects[0].APIKeys, c.Projects[0].Allow = []string{"user", "team"}, []string{"team"}
		at := slices.IndexFunc(c.Projects, func(p config.Project) bool { return p.Name == "mcp" })
		files := c.Projects[at]
		files.Name, files.Resources, files.Scopes, files.Introspection = "files", []string{otherResource}, []string{"read"}, nil
		c.Projects = append(c.Projects, files)
	})
	h.giveKeys(h.project("files"))
	for _, p := range h.projects {
		p.stopKeys() // so that nobody waits for keys that do not come
	}
	return h
}

// doorCredential is a credential for a project of newOpenDoors.
type doorCredential struct {
	name, project string
	profile       bool // PROFILE accepts it
	give          func(h *harness, user string) string
}

// doorCredentials returns credentials of each kind, and of the kinds that are mistaken for them.
func doorCredentials() []doorCredential {
	key := func(change func(h *harness, s *standin.APIKeySpec)) func(*harness, string) string {
		return func(h *harness, user string) string {
			s := standin.APIKeySpec{User: user}
			change(h, &s)
			return h.upstream.APIKey(s)
		}
	}
	type give = func(*standin.Standin, standin.Preset, standin.TokenSpec) string
	of := func(give give, change func(s *standin.TokenSpec)) func(*harness, string) string {
		return func(h *harness, user string) string {
			s := standin.TokenSpec{Subject: user, Client: "checker", Resources: []string{h.upstream.Resource()}, Scope: "openid read"}
			change(&s)
			return give(h.upstream.Standin, standin.Neon, s)
		}
	}
	opaque, resource, refresh, id := (*standin.Standin).OpaqueToken, (*standin.Standin).ResourceToken, (*standin.Standin).OAuthRefreshToken, (*standin.Standin).IDToken
	session := func(s *standin.Standin, _ standin.Preset, spec standin.TokenSpec) string { return s.NeonToken(spec) }
	plain := func(*standin.TokenSpec) {}
	machine := func(s *standin.TokenSpec) { s.Subject = s.Client }
	bound := func(s *standin.TokenSpec) { s.Set = map[string]any{"cnf": map[string]any{"jkt": "x"}} }
	past := func(s *standin.TokenSpec) { s.Lifetime = -time.Minute }
	elsewhere := func(s *standin.TokenSpec) { s.Resources = []string{otherResource} }
	return []doorCredential{
		{"a user's key", "stack", true, key(func(*harness, *standin.APIKeySpec) {})},
		{"a team's key", "stack", true, key(func(_ *harness, s *standin.APIKeySpec) { s.Team = "team-1" })},
		{"a public key", "stack", true, key(func(_ *harness, s *standin.APIKeySpec) { s.Public = true })},
		{"a key that ends", "stack", true, key(func(h *harness, s *standin.APIKeySpec) { s.Expires = h.clock.Right().Add(30 * time.Minute) })},
		{"a key that has ended", "stack", false, key(func(h *harness, s *standin.APIKeySpec) { s.Expires = h.clock.Right().Add(-time.Minute) })},
		{"a key of nobody", "stack", false, func(*harness, string) string {
			return standin.New(standin.Options{}).APIKey(standin.APIKeySpec{User: "x"})
		}},
		{"a misspelt key", "stack", false, func(h *harness, user string) string { return h.upstream.APIKey(standin.APIKeySpec{User: user}) + "0" }},
		{"an opaque token at the wrong door", "stack", false, of(opaque, plain)},

		{"an opaque token", "mcp", true, of(opaque, plain)},
		{"a machine's opaque token", "mcp", true, of(opaque, machine)},
		{"a bound opaque token", "mcp", false, of(opaque, bound)},
		{"an opaque token for another resource", "mcp", false, of(opaque, elsewhere)},
		{"an opaque token that has ended", "mcp", false, of(opaque, past)},
		{"a refresh token", "mcp", false, of(refresh, plain)},
		{"a made-up token", "mcp", false, func(*harness, string) string { return "made-up-000000000000000000000000" }},
		{"a key at the wrong door", "mcp", false, key(func(*harness, *standin.APIKeySpec) {})},

		{"a resource token", "mcp", true, of(resource, plain)},
		{"a machine's resource token", "mcp", true, of(resource, machine)},
		{"a bound resource token", "mcp", false, of(resource, bound)},
		{"a forged resource token", "mcp", false, of(resource, func(s *standin.TokenSpec) { s.Forged = true })},
		{"a resource token of an unknown key", "mcp", false, of(resource, func(s *standin.TokenSpec) { s.Header = map[string]any{"kid": "bm9ib2R5"} })},
		{"a resource token for another resource", "mcp", false, of(resource, elsewhere)},
		{"a resource token that has ended", "mcp", false, of(resource, past)},
		{"an ID token", "mcp", false, of(id, plain)},
		{"a session's token", "mcp", false, of(session, plain)},

		{"a resource token with the scope", "files", false, of(resource, elsewhere)},
		{"a resource token without the scope", "files", false, of(resource, func(s *standin.TokenSpec) { elsewhere(s); s.Scope = "openid" })},
		{"an opaque token without a door", "files", false, of(opaque, elsewhere)},
	}
}

// upstreamSituations returns the situations that differ in what the upstream says of a credential.
func upstreamSituations() []situation {
	live := func(h *harness, p *Project, token string) {
		l := h.profile(p, token)
		l.MaxAge = 0
		h.askFully(l)
	}
	end := func(h *harness, p *Project, token string) {
		h.upstream.RevokeAPIKey(token)
		h.upstream.RevokeOpaqueToken(token)
		h.upstream.Ban(h.evidence(p, token).subject, "")
	}
	all := []situation{
		{"the upstream says no", func(h *harness, p *Project, token string) { end(h, p, token); live(h, p, token) }},
		{"accepted, and then the upstream says no", func(h *harness, p *Project, token string) {
			live(h, p, token)
			end(h, p, token)
			live(h, p, token)
		}},
		{"a no that is forgotten", func(h *harness, p *Project, token string) {
			end(h, p, token)
			live(h, p, token)
			h.clock.Advance(RejectionLifetime)
		}},
		{"its user deleted upstream", func(h *harness, p *Project, token string) {
			h.upstream.DeleteUser(h.evidence(p, token).subject)
			live(h, p, token)
		}},
		{"accepted, and old", func(h *harness, p *Project, token string) { live(h, p, token); h.clock.Advance(10 * time.Minute) }},
		{"accepted, and older than the keys", func(h *harness, p *Project, token string) { live(h, p, token); h.clock.Advance(keyring.Lifetime) }},
	}
	for name, f := range map[string]standin.Fault{
		"away": {Kind: standin.Reset}, "busy": {Kind: standin.Status, Status: 429, XRetryAfter: "60"}, "down": {Kind: standin.Status},
		"denying its client": {Kind: standin.Status, Status: 401}, "talking garbage": {Kind: standin.Garbage},
	} {
		all = append(all,
			situation{"never accepted, the upstream " + name, func(h *harness, p *Project, token string) {
				h.upstream.Inject(standin.Any, f)
				live(h, p, token)
			}},
			situation{"accepted, the upstream " + name, func(h *harness, p *Project, token string) {
				live(h, p, token)
				h.upstream.Inject(standin.Any, f)
				for range 10 { // the circuit opens
					live(h, p, token)
				}
			}})
	}
	return all
}

// TestEXPLAINComesToWhatVERIFYAnswersAtEachDoor does the same for API keys, opaque tokens and the tokens of a resource
// server, also in the situations that the upstream causes.
func TestEXPLAINComesToWhatVERIFYAnswersAtEachDoor(t *testing.T) {
	seen := map[protocol.Outcome]bool{}
	for _, s := range slices.Concat(situations(), upstreamSituations()) {
		t.Run(s.name, func(t *testing.T) {
			for _, c := range doorCredentials() {
				h := newOpenDoors(t) // of its own, so that no credential finds an upstream or a clock that another one has left
				p, token := h.project(c.project), c.give(h, h.upstream.AddUser(standin.User{}).ID)
				s.bring(h, p, token)
				for _, again := range []string{"", ", again"} {
					seen[h.wantExplained(c.name+again, p, token)] = true
				}
				if s.name != "never seen" {
					continue
				}
				if v, _ := h.askFully(h.profile(p, token)); (v.Status() == protocol.OK && v.Level == LevelProfile) != c.profile {
					t.Errorf("%s: PROFILE answers %s", c.name, v.Outcome)
				}
			}
		})
	}
	for _, reason := range []protocol.Reason{
		protocol.ReasonMalformed, protocol.ReasonBadSignature, protocol.ReasonWrongType, protocol.ReasonWrongAudience, protocol.ReasonSenderConstrained,
		protocol.ReasonInsufficientScope, protocol.ReasonExpired, protocol.ReasonRevoked,
	} {
		if !seen[protocol.Rejected(reason)] {
			t.Errorf("nothing was rejected as %s", reason)
		}
	}
	for _, outcome := range []protocol.Outcome{protocol.Accepted(), protocol.Unknown(protocol.CodeNeedsProfile), protocol.Unknown(protocol.CodeUnavailable), protocol.Unknown(protocol.CodeKeysPending)} {
		if !seen[outcome] {
			t.Errorf("nothing came to %s", outcome)
		}
	}
}
