package config

import (
	"time"

	"github.com/neonauthd/neonauthd/internal/span"
)

// The claims that can say whom a token is for.
const (
	AudienceClaimAud      = "aud"
	AudienceClaimClientID = "client_id"
	AudienceClaimAZP      = "azp"
)

// How a client shows itself to an introspection endpoint (RFC 6749 section 2.3.1).
const (
	AuthPost  = "post"  // in the form
	AuthBasic = "basic" // in the header Authorization
)

// DefaultIntrospectionLimit is how many questions a minute Better Auth takes from one
// address, unless it is told otherwise.
const DefaultIntrospectionLimit = 100

// Project is one upstream project. WithDerived fills in what the preset derives if it is
// empty: BaseURL, JWKSURL, Issuers, Audiences and Algorithms. Validate says which keys a
// preset takes, and names the bounds of each.
type Project struct {
	// Name is unique; callers ask by it.
	Name string `toml:"name"`
	// Preset is the kind of upstream, a key of presets.
	Preset string `toml:"preset"`
	// ProjectID is the id of the project at the upstream (Stack Auth).
	ProjectID string `toml:"project_id"`
	// BaseURL is the API host (Stack Auth), the auth URL of the branch (Neon Auth), or the
	// issuer to the letter.
	BaseURL string `toml:"base_url"`
	// JWKSURL is where the key set is. It stays empty where the upstream's metadata say it.
	JWKSURL string `toml:"jwks_url"`
	// UserinfoURL is where profiles are (preset oidc). Empty: the metadata say it.
	UserinfoURL string `toml:"userinfo_url"`
	// UpstreamProxy is the proxy that the upstream is reached through.
	UpstreamProxy Proxy `toml:"upstream_proxy"`
	// InsecureHTTP admits plain http to a private network.
	InsecureHTTP bool `toml:"insecure_http"`
	// CA is a file of authorities that are trusted in place of the system's. Empty: the
	// system's.
	CA string `toml:"ca"`
	// Issuers are the values of "iss" that are taken or, with preset stack, the API hosts
	// that stand for them.
	Issuers []string `toml:"issuers"`
	// Audiences are the values of AudienceClaim that are taken.
	Audiences []string `toml:"audiences"`
	// AudienceClaim is one of the AudienceClaim constants. Empty: AudienceClaimAud.
	AudienceClaim string `toml:"audience_claim"`
	// Algorithms are the values of "alg" that are taken.
	Algorithms []string `toml:"algorithms"`
	// Resources make the project a protected resource, which takes access tokens for one of
	// them and nothing else. Empty: it is none.
	Resources []string `toml:"resources"`
	// Scopes are the words that each token for a resource must have, all of them.
	Scopes []string `toml:"scopes"`
	// SecretServerKey names what holds the server key; see ReadServerKey.
	SecretServerKey string `toml:"secret_server_key"`
	// Allow are the classes that are admitted beside normal users: the Allow constants.
	Allow []string `toml:"allow"`
	// APIKeys are the types of API keys that are taken: APIKeysUser, APIKeysTeam. Empty: none.
	APIKeys []string `toml:"api_keys"`

	// Introspection is how the upstream is asked about access tokens; nil: not at all.
	Introspection *Introspection `toml:"introspection"`
	// IntrospectionURL is where. Empty: the upstream's metadata say it.
	IntrospectionURL string `toml:"introspection_url"`

	// LogoutClientIDs are the OAuth clients whose logout tokens end sessions; LogoutClients
	// says what none means.
	LogoutClientIDs []string `toml:"logout_client_ids"`
	// SessionLifetime is how long a refresh token of a session may live. 0 is Forever.
	SessionLifetime Retention `toml:"session_lifetime"`

	// Leeway is how far in the future "nbf" and "iat" may lie. It does not prolong "exp".
	Leeway Duration `toml:"leeway"`
	// ProfileFresh is up to which age a profile is served without asking the upstream.
	ProfileFresh Duration `toml:"profile_fresh"`
	// ProfileStale is for how long after the end of ProfileFresh a profile is served while
	// the upstream fails. 0: not at all.
	ProfileStale Duration `toml:"profile_stale"`
	// UpstreamTimeout bounds each exchange with the upstream as a whole.
	UpstreamTimeout Duration `toml:"upstream_timeout"`
	// UpstreamRate is how many calls for profiles are sent a second, with a burst of the same
	// size: by this host, or by the fleet with Fleet.Budget. Calls for key sets do not count,
	// and those for introspection have Introspection.Limit. 0 is out of bounds.
	UpstreamRate float64 `toml:"upstream_rate"`
	// JWKSRefresh is after how long the key set is fetched again, unless Cache-Control says
	// otherwise.
	JWKSRefresh Duration `toml:"jwks_refresh"`
	// JWKSMaxAge is the longest time that Cache-Control can say.
	JWKSMaxAge Duration `toml:"jwks_max_age"`
	// JWKSCooldown is the shortest time between two fetches because of tokens that the known
	// keys have not signed.
	JWKSCooldown Duration `toml:"jwks_cooldown"`
}

// DefaultProject returns the defaults of a [[project]] table.
func DefaultProject() Project {
	return Project{
		AudienceClaim:   AudienceClaimAud,
		Leeway:          Duration(5 * time.Second),
		ProfileFresh:    Duration(60 * time.Second),
		ProfileStale:    Duration(15 * time.Minute),
		UpstreamTimeout: Duration(3 * time.Second),
		UpstreamRate:    20,
		JWKSRefresh:     Duration(10 * time.Minute),
		JWKSMaxAge:      Duration(time.Hour),
		JWKSCooldown:    Duration(30 * time.Second),
		SessionLifetime: Retention(30 * span.Day),
	}
}

// Introspection says which client this host is when it asks the upstream about access
// tokens (RFC 7662).
type Introspection struct {
	ClientID string `toml:"client_id"`
	Secret   string `toml:"secret"`
	// Auth is AuthPost, which is the default, or AuthBasic: as the client is registered.
	Auth string `toml:"auth"`
	// Limit is how many questions may be sent within any minute; nil:
	// DefaultIntrospectionLimit.
	Limit *int `toml:"limit"`
}

// PerMinute is how many questions may be sent within any minute.
func (i *Introspection) PerMinute() int {
	if i.Limit == nil {
		return DefaultIntrospectionLimit
	}
	return *i.Limit
}

// Method is Auth, or AuthPost if Auth is empty.
func (i *Introspection) Method() string {
	if i.Auth == "" {
		return AuthPost
	}
	return i.Auth
}
