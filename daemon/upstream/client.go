// Package upstream does all outgoing HTTP of the daemon: it fetches key sets and profiles, and says what the
// answers mean.
//
// Meaning is taken from the upstream's own codes, never from a bare status: a 401 from a firewall is not the
// upstream's word about a user. Three things may come of a question, as everywhere in the daemon: an answer, a
// denial with the upstream's proof, or no verdict ([Unavailable], [Misconfigured]).
//
// Profiles cost the upstream dearly and are limited project-wide, so one [Client] holds one budget, one circuit
// and one Retry-After for its project; see [GovernorState]. Key sets are outside of these: they must be had even
// when the profile budget is gone, they come seldom, and whoever asks for them keeps a rhythm of his own.
//
// The package knows no cache, and of the wire protocol the reasons alone. It starts no goroutines of its own; idle connections end
// with [Client.Close].
package upstream

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/neonauthd/neonauthd/daemon/clock"
	"github.com/neonauthd/neonauthd/daemon/fair"
)

// Preset is the kind of upstream.
type Preset uint8

// The presets.
const (
	// Stack is Neon Auth on Stack Auth (Hexclave): profiles from users/me with a secret server key.
	Stack Preset = iota
	// Neon is Neon Auth on Better Auth: profiles from get-session with a session credential.
	Neon
	// OIDC is any OpenID Connect issuer: profiles from its userinfo endpoint.
	OIDC
)

// String returns the preset's name as the configuration spells it.
func (p Preset) String() string {
	switch p {
	case Stack:
		return "stack"
	case Neon:
		return "neon"
	case OIDC:
		return "oidc"
	default:
		return "unknown"
	}
}

// Defaults and bounds.
const (
	// DefaultTimeout bounds an exchange as a whole, from dialling to the last byte.
	DefaultTimeout = 3 * time.Second
	// DefaultRate is the number of profile requests per second, and the size of a burst.
	DefaultRate = 20
	// MaxConcurrent is the number of profile requests in flight at once.
	MaxConcurrent = fair.MaxCalls
	// MaxConcurrentEach is the number of them that one caller may have; the rest is for callers that have none.
	MaxConcurrentEach = fair.MaxCallsEach
	// MaxKeysetBody is the largest key set accepted, in bytes.
	MaxKeysetBody = 256 << 10
	// MaxProfileBody is the largest profile accepted, in bytes. Two images of a million characters each, as
	// data URLs, are legal upstream, and metadata comes on top.
	MaxProfileBody = 4 << 20
	// MaxHeaderBytes is the largest response header accepted, in bytes.
	MaxHeaderBytes = 32 << 10
	// MaxRetryAfter caps what an upstream may ask for with Retry-After, so that one absurd header cannot
	// silence a project for days.
	MaxRetryAfter = 5 * time.Minute

	maxRate = 100_000
)

// Config tells a Client where its upstream is and how to treat it. It is read once, by [New].
type Config struct {
	// Preset is the kind of upstream; the zero value is Stack.
	Preset Preset
	// BaseURL is the API host (Stack), the auth base URL (Neon) or the issuer (OIDC). Required.
	BaseURL string
	// ProjectID is required for Stack and unused elsewhere.
	ProjectID string
	// KeysURL is where the key set is. Empty: derived from BaseURL (Stack, Neon) or discovered (OIDC).
	KeysURL string
	// UserinfoURL is OIDC's userinfo endpoint. Empty: discovered.
	UserinfoURL string
	// ServerKey is Stack's secret server key. Without it there are key sets but no profiles.
	ServerKey Secret
	// KeyUnreadable tells that a server key is configured and could not be read: the operator is then told so, and
	// not that there is none. It has no effect beside a ServerKey.
	KeyUnreadable bool
	// AllowRestricted and AllowAnonymous admit these classes of users (Stack).
	AllowRestricted, AllowAnonymous bool
	// Timeout bounds each exchange as a whole; 0 means DefaultTimeout.
	Timeout time.Duration
	// Rate is the number of profile requests per second, with a burst of the same size; 0 means DefaultRate.
	Rate float64
	// Dial connects to the upstream; nil means over the network, and the name localhost to a loopback address only.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// RootCAs replaces the system's certificate authorities; nil keeps them.
	RootCAs *x509.CertPool
	// Now tells the time; nil means time.Now. Budget, circuit and pauses all go by it.
	Now func() time.Time
	// Wall is told what the upstream's answers say of the time; nil means that nobody wants to know.
	Wall *clock.Wall
	// UserAgent names this program to the upstream; empty means "neonauthd".
	UserAgent string
	// Logger receives misconfigurations and alarms; nil discards them. A program.Rare behind it keeps each kind down to
	// one in a while.
	Logger *slog.Logger
	// Name tells the alarms of this project from those of others, which may have the same Logger.
	Name string
}

// Priority orders profile requests.
type Priority uint8

// The priorities.
const (
	// Interactive: somebody waits for the answer. May wait a short while for its turn.
	Interactive Priority = iota
	// Background: a refresh nobody waits for. Uses only a part of the budget and never waits.
	Background
)

// Validators make a key-set request conditional (RFC 9110 section 13). The zero value makes it unconditional.
type Validators struct{ ETag, LastModified string }

// KeySetResponse is an answer to a key-set request.
type KeySetResponse struct {
	// Body is the key set as sent, bounded but not parsed; nil if NotModified.
	Body []byte
	// NotModified tells that the key set is the one the validators came with.
	NotModified bool
	// Validators are for the next request.
	Validators Validators
	// MaxAge is how long the upstream lets the answer be reused, unclamped; -1 if it did not say.
	MaxAge time.Duration
}

// Profile is what the upstream knows of a user.
type Profile struct {
	// Body is the user as one JSON object on one line: valid UTF-8, no repeated names, values as sent.
	// Stack: the whole answer. Neon: its "user" member only, as the rest holds the session's secret. OIDC: the claims.
	Body []byte
	// Subject is the user's id: the one asked for, or learned from the answer (Neon).
	Subject string
	// Session is the id of the session the credential belongs to (Neon); empty elsewhere. Not a secret.
	Session string
	// Started and Expires are when that session began (zero if the answer does not say) and when it ends (Neon); zero
	// elsewhere.
	Started, Expires time.Time
}

// Client asks one project's upstream. Safe for concurrent use.
type Client struct {
	config     Config
	endpoints  endpoints
	http       *http.Client
	governor   *governor
	discovery  *discovery
	comparison comparison
}

// New checks config and returns a Client. It sends nothing and starts nothing. Its errors name the setting and
// say what to write instead; they never repeat a URL, which may hold a password.
func New(config Config) (*Client, error) {
	config = config.withDefaults()
	at, err := derive(config)
	if err != nil {
		return nil, err
	}
	if !config.ServerKey.fitsHeader() {
		return nil, errors.New("secret_server_key: holds blanks, line breaks or other odd characters")
	}
	if !(config.Rate > 0 && config.Rate <= maxRate) { // so that NaN fails too
		return nil, errors.New("upstream_rate: must be a number of requests per second above 0 and at most 100000")
	}
	if config.Timeout < 0 {
		return nil, errors.New("upstream_timeout: must be above 0")
	}
	if !isVisible(strings.ReplaceAll(config.UserAgent, " ", "")) {
		return nil, errors.New("user agent: must be visible ASCII")
	}
	if at.plain {
		config.Logger.Warn("upstream is asked over plain http on this machine; that is for development only")
	}
	return &Client{
		config:    config,
		endpoints: at,
		http:      newHTTPClient(newTransport(config)),
		governor:  newGovernor(config),
		discovery: newDiscovery(),
	}, nil
}

func (config Config) withDefaults() Config {
	if config.Timeout == 0 {
		config.Timeout = DefaultTimeout
	}
	if config.Rate == 0 {
		config.Rate = DefaultRate
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Wall == nil {
		config.Wall = &clock.Wall{}
	}
	if config.UserAgent == "" {
		config.UserAgent = "neonauthd"
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	return config
}

// Close closes idle connections. Requests in flight are not disturbed.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Governor returns the state of the project's budget, circuit and pause.
func (c *Client) Governor() GovernorState { return c.governor.state() }

// finish names the act in e, raises an alarm if e is one, and turns it into the caller's error.
func (c *Client) finish(act string, e *Error) error {
	if e == nil {
		return nil // not a nil *Error, which would be an error
	}
	e.act = act
	c.raise(e)
	return e
}
