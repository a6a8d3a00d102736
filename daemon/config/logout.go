package config

import (
	"slices"
	"time"

	"github.com/neonauthd/neonauthd/daemon/keyset"
)

// maxLogoutClients is the largest number of clients whose logout tokens a project takes.
const maxLogoutClients = 16

// checkLogout checks the clients whose logout tokens end sessions, and session_lifetime.
func checkLogout(p *Project, report reporter) {
	if r := p.SessionLifetime; r != Forever && time.Duration(r) < MinRetention {
		report("session_lifetime", "must be %s", r.Wants())
	}
	if len(p.LogoutClientIDs) == 0 {
		return
	}
	if len(p.LogoutClientIDs) > maxLogoutClients {
		report("logout_client_ids", "at most %d of them", maxLogoutClients)
	}
	for i, id := range p.LogoutClientIDs {
		switch {
		case id == "" || !onlyVisible(id):
			report("logout_client_ids", "entry %d must be the id of an OAuth client, to the letter as its tokens have it in client_id", i+1)
		case len(id) > maxClientID:
			report("logout_client_ids", "entry %d has more than %d bytes", i+1, maxClientID)
		case slices.Contains(p.LogoutClientIDs[:i], id):
			report("logout_client_ids", "entry %d is there twice", i+1)
		}
	}
}

// LogoutClients are the clients whose logout tokens p takes: those configured or, where
// none is, the one by which the upstream is asked about tokens. There are none if the
// upstream sends no logout tokens.
func (p *Project) LogoutClients() []string {
	if len(p.LogoutClientIDs) == 0 && p.Introspection != nil && presets[p.Preset].logoutTokens {
		return []string{p.Introspection.ClientID}
	}
	return p.LogoutClientIDs
}

// LogoutPolicy returns the rules for logout tokens, which p's issuers send to each of
// the clients; nil if p takes none. p comes from WithDerived.
func (p *Project) LogoutPolicy() *keyset.Policy {
	clients := p.LogoutClients()
	if len(clients) == 0 {
		return nil
	}
	tokens := p.Policy()
	policy := &keyset.Policy{
		Logout: true, AudienceArray: true, SessionClaims: []string{"sid"},
		Algorithms: tokens.Algorithms, KeyIDOptional: tokens.KeyIDOptional, Leeway: tokens.Leeway,
	}
	for _, id := range clients {
		policy.Admitted = append(policy.Admitted, keyset.Audience{Class: keyset.ClassNormal, Name: id, Issuers: p.Issuers})
	}
	return policy
}

// SessionNaming is how far the signed tokens of a project's users name the session that
// they were issued in. The zero value is SessionsPerhaps.
type SessionNaming int

// How far tokens name their session.
const (
	// SessionsPerhaps: some issuers name the session in access tokens, others do not, as
	// those of preset "oidc". It is safe for every upstream: a logout then refuses the
	// tokens of its session and also those of its user that name none.
	SessionsPerhaps SessionNaming = iota
	// SessionsAlways: access tokens of Neon Auth for a resource, and tokens of Stack Auth.
	SessionsAlways
	// SessionsNever: session JWTs of Neon Auth.
	SessionsNever
)

// SessionNaming tells how far p's tokens name their session.
func (p *Project) SessionNaming() SessionNaming {
	if len(p.Resources) > 0 {
		return presets[p.Preset].resourceNaming
	}
	return presets[p.Preset].naming
}

// SessionLifetimes are how long refresh tokens of each project's sessions may live; 0
// is for ever.
func (c *Config) SessionLifetimes() map[string]time.Duration {
	all := map[string]time.Duration{}
	for i := range c.Projects {
		all[c.Projects[i].Name] = time.Duration(c.Projects[i].SessionLifetime)
	}
	return all
}
