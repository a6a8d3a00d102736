package upstream

import (
	"context"
	"log/slog"
	"time"

	"github.com/neonauthd/neonauthd/daemon/clock"
	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/daemon/transport"
	"github.com/neonauthd/neonauthd/protocol"
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
	// defaultRate is the number of profile requests per second, and the size of a burst.
	defaultRate = 20
	// MaxConcurrent is the number of profile requests in flight at once.
	MaxConcurrent = fair.MaxCalls
	// MaxKeysetBody is the largest key set accepted, in bytes.
	MaxKeysetBody = 256 << 10
	// MaxProfileBody is the largest profile accepted, in bytes: the largest that a reply can hold. Two images of a million characters each, as
	// data URLs, are legal upstream, and metadata comes on top.
	MaxProfileBody = protocol.MaxProfile
	// MaxHeaderBytes is the largest response header accepted, in bytes.
	MaxHeaderBytes = 32 << 10
	// MaxRetryAfter caps what an upstream may ask for with Retry-After, so that one absurd header cannot
	// silence a project for days.
	MaxRetryAfter = 5 * time.Minute

	maxRate = 100_000
)

// Config tells a Client where its upstream is and how to treat it. It is read once, by [New]; [Client.Limit] changes the
// limits later.
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
	// KeyUnreadable tells that a server key is configured and could not be read: the operator is then told this, and
	// not that there is no key. It has no effect beside a ServerKey.
	KeyUnreadable bool
	// Open verifies a signed answer about a token with the project's keys (OIDC); nil: signed answers are of no use.
	Open Opener
	// Introspection is how access tokens are asked about (Neon, OIDC); nil: not at all.
	Introspection *Introspection
	// AllowRestricted and AllowAnonymous admit these classes of users (Stack).
	AllowRestricted, AllowAnonymous bool
	// Timeout bounds each exchange as a whole; 0 means DefaultTimeout.
	Timeout time.Duration
	// Rate is the number of profile requests per second, with a burst of the same size; 0 means defaultRate.
	Rate float64
	// Transport is how the upstream is reached: authorities, proxy, plain http. The Client sets its bounds itself.
	Transport transport.Config
	// Now tells the time; nil means time.Now. Budget, circuit and pauses all go by it.
	Now func() time.Time
	// Wall is told what the upstream's answers say of the time; nil: nobody is told.
	Wall *clock.Wall
	// UserAgent names this program to the upstream; empty means "neonauthd".
	UserAgent string
	// Logger receives what an operator has to mend; nil discards them. A program.Rare behind it keeps each kind down to
	// one in a while.
	Logger *slog.Logger
	// Name tells the lines of this project from those of others, which may have the same Logger.
	Name string
}

// withDefaults fills in what may be left out.
func (config Config) withDefaults() Config {
	if config.Timeout == 0 {
		config.Timeout = DefaultTimeout
	}
	if config.Rate == 0 {
		config.Rate = defaultRate
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

// Opener verifies a signed answer about a token with the keys of the upstream, and returns its payload if the outcome
// is accepted. A rejection is about the answer; detail says in closed words what the reason does not say. If the
// outcome is unknown, wait is how long to wait before asking again may help. Keys are fetched on behalf of asker.
type Opener func(ctx context.Context, signed, token []byte, asker fair.Asker) (payload []byte, outcome protocol.Outcome, detail string, wait time.Duration)

// Introspection says which client asks about access tokens (RFC 7662), and how often.
type Introspection struct {
	// URL is the endpoint. Empty: the metadata name it.
	URL string
	// ClientID and Secret are the client's. Without Secret nothing is asked.
	ClientID string
	Secret   Secret
	// Basic sends them in the header Authorization, and not in the form.
	Basic bool
	// PerMinute is how many questions are sent within any minute at most.
	PerMinute int
}

// Limits are the settings of a Client that may change while it is in use. The fields are those of [Config] and
// [Introspection].
type Limits struct {
	Timeout   time.Duration
	Rate      float64
	PerMinute int
}

// budget returns a rate, in questions a second, and a burst that together send no more than so many questions within any
// minute: a quarter at once, the rest spread over the minute.
func budget(perMinute int) (rate float64, burst int) {
	burst = max(1, perMinute/4)
	return max(0.5, float64(perMinute-burst)) / 60, burst
}
