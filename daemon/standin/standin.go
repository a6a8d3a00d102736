// Package standin is an embedded Neon Auth for demos, for tests and for people who develop an
// application: one HTTP handler that answers like the three kinds of upstream the daemon knows.
// It must never run in production: everybody who reaches its control interface can mint a token for anybody, and its
// keys protect nothing.
//
// It is a server, not a mock. Tokens carry genuine signatures made with the key derivation, claims
// and order of members of the real services, and answers have their codes, statuses and headers:
//
//   - Stack Auth under /api/v1: key sets, users/me with its full order of checks, refresh and
//     sign-out of sessions, sign-in with a password;
//   - Neon Auth on Better Auth under /neondb/auth: .well-known/jwks.json, get-session, token,
//     sign-in/email, sign-out, and under oauth2 an authorization server for public clients and introspect;
//   - an OpenID Connect issuer under /oidc: discovery, jwks, userinfo, introspect.
//
// Tests drive it through [Standin]'s methods. Programs in other languages use the control interface
// under /_standin, which answers loopback callers only; [Usage] describes it. Faults of many kinds
// (see [Fault]) can be injected at run time, and every call is counted.
package standin

import (
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin/introspect"
	"github.com/neonauthd/neonauthd/daemon/standin/mint"
	"github.com/neonauthd/neonauthd/daemon/standin/stackauth"
)

// Preset names a kind of upstream, in the words of the daemon's configuration.
type Preset string

// The kinds of upstream that one [Standin] serves at once.
const (
	Stack Preset = "stack"
	Neon  Preset = "neon"
	OIDC  Preset = "oidc"
)

// Paths under which the presets live, and the audience of OpenID Connect tokens unless
// [Options.Audience] names another.
const (
	neonPath        = "/neondb/auth"
	oidcPath        = "/oidc"
	controlPath     = "/_standin"
	defaultAudience = "standin"
)

// Options of [New]. The zero value is a complete stand-in with fresh keys and secrets.
type Options struct {
	// Now is the clock; nil means [time.Now]. It is called from many goroutines.
	Now func() time.Time
	// Seed lets two stand-ins have the same keys, secrets, and ids of users: they are derived from it if the fields
	// below are empty. Whoever knows it can mint tokens. RSA keys are always fresh, as are sessions and keys after a
	// rotation. Empty: everything is fresh.
	Seed string
	// BaseURL is the public address without a trailing slash, such as http://127.0.0.1:4000. Issuers
	// and audiences derive from it. Empty: set it later with [Standin.SetBaseURL], or let
	// [Standin.Run] take it from its listener.
	BaseURL string
	// ProjectID of the Stack project; empty: a fresh UUID.
	ProjectID string
	// ServerKey and ClientKey of the Stack project; empty: fresh ones.
	ServerKey, ClientKey string
	// ServerSecret from which the Stack signing keys derive (STACK_SERVER_SECRET); empty: a fresh one.
	ServerSecret string
	// Audience of OpenID Connect tokens; empty: "standin".
	Audience string
	// Client is the OAuth client that gets the tokens for resources; empty: a fresh id. Resource is the resource that
	// they are for; empty: https://mcp.example.net/mcp.
	Client, Resource string
	// ClientSecret is that client's, with which it introspects tokens; empty: a fresh one.
	ClientSecret string
	// LogoutAddress is where logout tokens are sent; see [Standin.SendLogouts].
	LogoutAddress string
	// TokenLifetime of access tokens; zero: ten minutes for Stack and OpenID Connect, fifteen for Neon.
	TokenLifetime time.Duration
	// SessionLifetime of sign-ins; zero: seven days, as at Neon (the genuine ones of Stack last a year).
	SessionLifetime time.Duration
}

// Standin is an upstream in a process. Make one with [New]; it is safe for concurrent use and starts
// nothing by itself.
type Standin struct {
	now     func() time.Time
	options Options
	seed    mint.Seed
	routes  *http.ServeMux
	calls   *calls
	faults  *faults
	oauth   map[Preset]*introspect.Server
	ended   func(...session) // told of sessions that end, without the mutex; tellEnded

	rsaOnce  sync.Once
	hijacked sync.WaitGroup

	mu       sync.Mutex // guards everything below
	baseURL  string
	users    map[string]*User
	sessions map[string]*session
	apiKeys  map[string]*apiKey // by their text
	stack    *mint.StackRing
	neon     mint.Ring
	oidc     mint.Ring
	caching  map[Preset]caching
	hmacKey  []byte
	bearer   bool   // see TakeBearer
	ofBase   bool   // see NameBase
	logouts  string // see SendLogouts
}

// fallback fills in a field that is empty.
func fallback(field *string, made func() string) {
	if *field == "" {
		*field = made()
	}
}

// ProjectID of the Stack project that this stand-in serves.
func (s *Standin) ProjectID() string { return s.options.ProjectID }

// ServerKey is the secret server key that users/me demands for server access.
func (s *Standin) ServerKey() string { return s.options.ServerKey }

// BaseURL is the public address in use, without a trailing slash; empty while unknown.
func (s *Standin) BaseURL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.baseURL
}

// SetBaseURL changes the public address, and with it the issuers and audiences of tokens minted and
// accepted from now on.
func (s *Standin) SetBaseURL(base string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.baseURL = strings.TrimSuffix(base, "/")
}

// ServiceURL is what a daemon's base_url has to be for a preset: the API host for Stack, the auth base
// URL for Neon, the issuer for OpenID Connect.
func (s *Standin) ServiceURL(p Preset) string {
	switch p {
	case Neon:
		return s.BaseURL() + neonPath
	case OIDC:
		return s.BaseURL() + oidcPath
	default:
		return s.BaseURL()
	}
}

// KeysURL is the address of a preset's key set; for Stack the superset with every class of user.
func (s *Standin) KeysURL(p Preset) string {
	switch p {
	case Neon:
		return s.ServiceURL(p) + "/.well-known/jwks.json"
	case OIDC:
		return s.ServiceURL(p) + "/jwks"
	default:
		return s.ServiceURL(p) + stackauth.Path + "/projects/" + s.options.ProjectID + "/.well-known/jwks.json?include_anonymous=true"
	}
}

// Resource is the protected resource that tokens are for.
func (s *Standin) Resource() string { return s.options.Resource }

// Client is the id of the OAuth client that gets the tokens for Resource.
func (s *Standin) Client() string { return s.options.Client }

// Audience of a preset's tokens for normal users.
func (s *Standin) Audience(p Preset) string {
	switch p {
	case Neon:
		return s.BaseURL()
	case OIDC:
		return s.options.Audience
	default:
		return s.options.ProjectID
	}
}

func (s *Standin) lifetime(p Preset) time.Duration {
	switch {
	case s.options.TokenLifetime != 0:
		return s.options.TokenLifetime
	case p == Neon:
		return 15 * time.Minute
	default:
		return 10 * time.Minute
	}
}
