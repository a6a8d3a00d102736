package upstream

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/neonauthd/neonauthd/daemon/clock"
	"github.com/neonauthd/neonauthd/internal/strictjson"
)

// How long a discovery document is good for, and how soon the next fetch may follow after a refresh that failed, or after
// a document without an endpoint that is needed. While none was found, the pauses are those after a 429.
const (
	discoveryFresh = time.Hour
	discoveryPause = time.Minute
)

// discovery finds an issuer's endpoints (OpenID Connect Discovery 1.0 section 4) and remembers them. While a
// later refresh is under way or fails, it continues to use the endpoints that it has found before. A failure is remembered
// too: otherwise each lookup would ask for a document that is not there, past all budgets.
type discovery struct {
	turn chan struct{} // holds one element while nobody fetches the first document

	mu       sync.Mutex // guards the fields below; never held during a fetch
	found    document   // zero: none yet
	asked    time.Time  // when found was asked for
	next     time.Time  // nothing is fetched before
	failure  *Error     // of the last fetch, if no document was ever found; nil otherwise
	failures int        // in a row; once a document was found, the refreshes since it came
}

// document holds the members of a discovery document that are used. Endpoints that are absent or may not be asked are
// empty.
type document struct{ issuer, keys, profile, introspection string }

func newDiscovery() *discovery {
	d := &discovery{turn: make(chan struct{}, 1)}
	d.turn <- struct{}{}
	return d
}

// find returns the issuer's document. While there is none, one caller fetches it, and the others wait for that caller and
// share its failure. A document that is due is fetched again by one caller, within a third of its time; if none comes, by the
// next one within two thirds, then within the whole, then a third again. So a slow document is found, and one that hangs fails
// one question in three refreshes, too few to open a circuit. The others use the document in hand meanwhile, and so does that
// caller after a failure: the endpoints may answer although the address of the document does not.
func (d *discovery) find(ctx context.Context, c *Client) (document, *Error) {
	now := c.config.Now()
	d.mu.Lock()
	found, due := d.found, clock.Over(d.next, now)
	part := c.limits.Load().Timeout / 3 * time.Duration(1+d.failures%3)
	if found != (document{}) && due {
		d.next = now.Add(discoveryPause)
		d.failures++
	}
	d.mu.Unlock()
	switch {
	case found == (document{}):
		return d.first(ctx, c)
	case due:
		ctx, cancel := context.WithTimeout(ctx, part)
		defer cancel()
		found, _ = d.again(ctx, c)
	}
	return found, nil
}

// first fetches the document while none was ever found.
func (d *discovery) first(ctx context.Context, c *Client) (document, *Error) {
	select {
	case <-d.turn:
	case <-ctx.Done():
		return document{}, c.exchangeFailure(ctx, c.config.Now(), ctx.Err())
	}
	defer func() { d.turn <- struct{}{} }()
	found, e := d.known(c.config.Now())
	if e == nil && found == (document{}) {
		found, e = d.again(ctx, c)
		d.note(e, c.config.Now())
	}
	return found, e
}

// again fetches the issuer's document, due or not, and returns it. After a failure it returns the one in hand, too.
func (d *discovery) again(ctx context.Context, c *Client) (document, *Error) {
	asked := c.config.Now()
	got, e := c.discover(ctx)
	d.mu.Lock()
	defer d.mu.Unlock()
	if e == nil {
		d.learn(got, c, asked)
	} else if until := c.config.Now().Add(e.RetryAfter); until.After(d.next) {
		d.next = until
	}
	return d.found, e
}

// note remembers how a search for the first document has failed; nil if it has not. If the caller gave up, this says nothing
// about the document.
func (d *discovery) note(e *Error, now time.Time) {
	if e == nil || e.outcome == silent {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	wait := min(firstPause<<min(d.failures, 8), longestPause)
	kept := *e // the caller goes on to write into e
	d.failure, d.next = &kept, now.Add(max(wait, e.RetryAfter))
	d.failures++
}

// learn remembers a document, unless the one in hand was asked for later. Where the document lacks an endpoint that only it
// can tell, the former endpoint stays in use, and the document is fetched again soon. d.mu is held.
func (d *discovery) learn(got document, c *Client, asked time.Time) {
	if asked.Before(d.asked) {
		return
	}
	fresh, before := discoveryFresh, d.found
	if before.issuer != got.issuer {
		before = document{}
	}
	keep := func(is *string, was, configured string) {
		if *is == "" && configured == "" {
			*is, fresh = was, discoveryPause
		}
	}
	keep(&got.keys, before.keys, c.endpoints.keys)
	keep(&got.profile, before.profile, c.endpoints.profile)
	if c.config.Introspection != nil {
		keep(&got.introspection, before.introspection, c.endpoints.introspection)
	}
	d.found, d.asked, d.next = got, asked, asked.Add(fresh)
	d.failure, d.failures = nil, 0
}

// known returns the document in hand. If there is none, it returns the failure of the last search, if the next one would come
// too soon after it.
func (d *discovery) known(now time.Time) (document, *Error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.found != (document{}) || d.failure == nil || clock.Over(d.next, now) {
		return d.found, nil
	}
	return document{}, d.failure.remembered(clock.Left(d.next, now))
}

// endpoint returns the configured URL, or else the one that the issuer's document names. lacks says what is wrong if it names
// none.
func (c *Client) endpoint(ctx context.Context, configured string, named func(document) string, lacks string) (string, *Error) {
	if configured != "" {
		return configured, nil
	}
	found, e := c.discovery.find(ctx, c)
	if e != nil {
		return "", e
	}
	if named(found) == "" {
		return "", noKnownError(http.StatusOK, lacks)
	}
	return named(found), nil
}

// Found returns the endpoints that an issuer's metadata name; empty for one that may not be asked. The error is an *Error
// and never Denied.
func (c *Client) Found(ctx context.Context) (keys, userinfo string, err error) {
	ctx, cancel := c.within(ctx)
	defer cancel()
	found, e := c.discovery.find(ctx, c)
	return found.keys, found.profile, c.finish(actKeys, e)
}

// discover fetches the document. Its issuer must be the configured one to the letter (section 4.3): otherwise anybody
// who can answer at this address could name keys for another issuer.
func (c *Client) discover(ctx context.Context) (document, *Error) {
	if c.config.Preset == Neon {
		return c.discoverNeon(ctx)
	}
	a, e := c.get(ctx, c.endpoints.discovery, nil, MaxKeysetBody)
	if e != nil {
		return document{}, e
	}
	return c.readMetadata(a, c.config.BaseURL)
}

// readMetadata reads the document of an issuer.
func (c *Client) readMetadata(a *answer, issuer string) (document, *Error) {
	if e := c.judgeStatus(a.status, a.header); e != nil {
		return document{}, e
	}
	if a.status != http.StatusOK {
		return document{}, c.paced(a, noKnownError(a.status, "there is no discovery document at this issuer; check base_url"))
	}
	if e := judgeDocument(a); e != nil {
		return document{}, e
	}
	body, err := readObject(a.body, documentRules)
	if err != nil {
		return document{}, unusable(a.status, "the discovery document is not one strict JSON object: "+strictjson.What(err))
	}
	got := document{issuer: body.text("issuer")}
	if got.issuer != issuer {
		return document{}, noKnownError(a.status, "the issuer calls itself otherwise, "+difference(got.issuer, issuer)+"; base_url must be its name to the letter, as its document has it (base_url with /.well-known/openid-configuration behind it)")
	}
	got.keys = c.discovered(got.issuer, body.text("jwks_uri"))
	got.profile = c.discovered(got.issuer, body.text("userinfo_endpoint"))
	got.introspection = c.discovered(got.issuer, body.text("introspection_endpoint"))
	return got, nil
}

// difference says how the name of an issuer differs from the one expected. It repeats nothing of the name, which
// somebody else may have written.
func difference(is, want string) string {
	if is == "" {
		return "its document has no issuer"
	}
	a, err := url.Parse(is)
	b, err2 := url.Parse(want)
	switch {
	case is == want+"/":
		return `with a "/" at the end`
	case is+"/" == want:
		return `without the "/" at the end`
	case strings.EqualFold(is, want):
		return "in upper and lower case"
	case err != nil || err2 != nil || a.Host == "":
		return "with a name that is no URL of a host"
	case a.Host != b.Host:
		return "with another host"
	case a.Scheme != b.Scheme:
		return "with another scheme"
	default:
		return "with another path"
	}
}

// discovered returns an endpoint that a document names, or nothing if it may not be asked: a document that came over
// https must not lead to plain http, not even on this machine.
func (c *Client) discovered(issuer, raw string) string {
	from, err := url.Parse(issuer)
	if err != nil {
		return ""
	}
	to, err := parseEndpoint(raw, c.config.Transport.PrivateHTTP)
	if err != nil || from.Scheme == "https" && to.Scheme != "https" {
		return ""
	}
	return to.String()
}
