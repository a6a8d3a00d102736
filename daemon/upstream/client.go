// Package upstream does all outgoing HTTP of the daemon: it fetches key sets and profiles, and says what the
// answers mean.
//
// The upstream's own error codes decide what an answer means, never a bare status: a 401 from a firewall says nothing
// about a user. A request has one of three results, as everywhere in the daemon: an answer, a denial with the
// upstream's proof, or no verdict ([Unavailable], [Misconfigured]).
//
// Profiles cost the upstream dearly and are limited project-wide, so one [Client] holds one budget, one circuit
// and one Retry-After for its project; see [GovernorState]. Requests for key sets do not count here: they must be
// possible even when the profile budget is spent, they are rare, and their caller limits them itself.
//
// The package knows no cache, and of the wire protocol only the reasons. The only goroutine that it starts is a timer's, of a
// call that waits for the budget. Idle connections end with [Client.Close].
package upstream

import (
	"errors"
	"math"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// Priority orders profile requests.
type Priority uint8

// The priorities.
const (
	// Interactive: somebody waits for the answer. May wait a short while for its turn.
	Interactive Priority = iota
	// Background: a refresh nobody waits for. Uses only a part of the budget and never waits.
	Background
	// Unproved: somebody waits, but the credential may be made up by anybody. It is treated like Background, so that it
	// costs others nothing.
	Unproved
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
	// Age is how long ago the upstream has made the answer, or confirmed it, as the caches on the way say, unclamped; 0: no
	// cache says that it has kept the answer.
	Age time.Duration
}

// Profile is what the upstream knows of a user.
type Profile struct {
	// Body is the user as one JSON object on one line: valid UTF-8, no repeated names, values as sent.
	// Stack: the whole answer. Neon: its "user" member only, as the rest holds the session's secret. OIDC: the claims.
	Body []byte
	// Subject is the id of the user, or of the team: the one asked for, or learned from the answer (Neon, API keys).
	Subject string
	// Session is the id of the session the credential belongs to (Neon); empty elsewhere. Not a secret.
	Session string
	// Started and Expires are when the session (Neon) or the API key (Stack) began, zero if the answer does not say, and
	// when it ends; zero elsewhere.
	Started, Expires time.Time
	// Team tells that Subject is no user but a team (an API key of Stack).
	Team bool

	signed []byte // a signed answer that is not opened yet (OIDC)
}

// Client asks one project's upstream. Safe for concurrent use.
type Client struct {
	config    Config // Timeout, Rate and PerMinute are those at the start; see limits
	endpoints endpoints
	limits    atomic.Pointer[Limits]
	http      atomic.Pointer[http.Client] // for the timeout in force
	governor  *governor
	// introspection is the governor of the introspection endpoint; nil where that is not asked.
	introspection *governor
	*knowledge
	ofBase    atomic.Bool // see Pin
	attention attention
}

// knowledge is what a Client has learned of its upstream.
type knowledge struct {
	discovery  *discovery
	comparison comparison
	failures   lastFailures
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
	switch {
	case at.elsewhere:
		config.Logger.Warn("upstream is asked over PLAIN HTTP, as insecure_http allows: whoever is on the way reads tokens and server key, and can have any token accepted; give the upstream a certificate, of your own authority perhaps (ca), and write https")
	case at.plain:
		config.Logger.Warn("upstream is asked over plain http on this machine; that is for development only")
	}
	c := &Client{
		config:    config,
		endpoints: at,
		governor:  newGovernor(config.Now),
		knowledge: &knowledge{discovery: newDiscovery()},
	}
	if config.KeyUnreadable { // LastFailures tells this before anybody asks for a profile
		c.failures.note(actSelfTest, unreadableKey(), config.Now())
	}
	limits := Limits{Timeout: config.Timeout, Rate: config.Rate}
	if config.Introspection != nil {
		c.introspection = newGovernor(config.Now)
		limits.PerMinute = config.Introspection.PerMinute
	}
	c.Limit(limits)
	return c, nil
}

// Limit puts limits in force. Requests in flight keep their timeout. Budgets that are spent stay spent: only the rate at
// which they are filled changes. The pauses that the upstream has asked for stay, and so does the circuit. One goroutine
// at a time calls Limit.
func (c *Client) Limit(to Limits) {
	is := c.limits.Load()
	c.limits.Store(&to)
	if is == nil || is.Timeout != to.Timeout {
		if former := c.http.Swap(newHTTPClient(newTransport(c.config, to.Timeout))); former != nil {
			former.CloseIdleConnections()
		}
	}
	c.governor.limit(to.Timeout, to.Rate, int(max(1, math.Ceil(to.Rate))))
	if c.introspection != nil {
		perSecond, burst := budget(to.PerMinute)
		c.introspection.limit(to.Timeout, perSecond, burst)
	}
}

// retire closes the idle connections of an HTTP client that a request has used, if Limit has replaced it meanwhile.
func (c *Client) retire(used *http.Client) {
	if c.http.Load() != used {
		used.CloseIdleConnections()
	}
}

// Close closes idle connections. Requests in flight are not disturbed.
func (c *Client) Close() { c.http.Load().CloseIdleConnections() }

// Governor returns the state of the project's budget, circuit and pause.
func (c *Client) Governor() GovernorState { return c.governor.state() }

// Budget is what may be asked of the introspection endpoint: questions a second, and how many at once. It is zero where
// there is no introspection.
func (c *Client) Budget() (rate float64, burst int) {
	if c.config.Introspection == nil {
		return 0, 0
	}
	return budget(c.limits.Load().PerMinute)
}

// LastFailures returns the last failure of each kind of question that has failed; those for key sets are not among them.
func (c *Client) LastFailures() []LastFailure { return c.failures.list() }

// finish names the act in e, tells the operator if e concerns them, and turns it into the caller's error. Failures of
// key sets are told by the caller.
func (c *Client) finish(act string, e *Error) error {
	c.failures.note(act, e, c.config.Now())
	if e == nil {
		return nil // not a nil *Error, which would be an error
	}
	e.act = act
	if act != actKeys {
		c.callAttention(e)
	}
	return e
}
