package upstream

import (
	"context"
	"net/http"
	"net/url"
	"strings"
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
// later refresh fails, it continues to use the endpoints that it has found before. A failure is remembered too: otherwise
// each lookup would ask for a document that is not there, past all budgets.
type discovery struct {
	turn     chan struct{} // holds one element while nobody fetches; guards the fields below
	found    document
	next     time.Time // nothing is fetched before
	failure  *Error    // of the last fetch, if no document was ever found; nil otherwise
	failures int       // in a row
}

// document holds the members of a discovery document that are used. Endpoints that are absent or may not be asked are
// empty.
type document struct{ issuer, keys, profile, introspection string }

func newDiscovery() *discovery {
	d := &discovery{turn: make(chan struct{}, 1)}
	d.turn <- struct{}{}
	return d
}

// find returns the issuer's document. One caller fetches, the others wait for it, and share its failure.
func (d *discovery) find(ctx context.Context, c *Client) (document, *Error) {
	if e := d.wait(ctx, c); e != nil {
		return document{}, e
	}
	defer func() { d.turn <- struct{}{} }()
	now := c.config.Now()
	if !clock.Over(d.next, now) {
		return d.found, d.held(now)
	}
	got, e := c.discover(ctx)
	switch {
	case e == nil:
		d.learn(got, c, now)
	case d.found != document{}:
		d.next = c.config.Now().Add(max(discoveryPause, e.RetryAfter))
	case e.outcome == silent: // the caller gave up, which says nothing about the document
		return document{}, e
	default:
		wait := min(firstPause<<min(d.failures, 8), longestPause)
		kept := *e // the caller goes on to write into e
		d.failure, d.next = &kept, c.config.Now().Add(max(wait, e.RetryAfter))
		d.failures++
		return document{}, e
	}
	return d.found, nil
}

// wait waits for the turn to fetch.
func (d *discovery) wait(ctx context.Context, c *Client) *Error {
	select {
	case <-d.turn:
		return nil
	case <-ctx.Done():
		return c.exchangeFailure(ctx, c.config.Now(), ctx.Err())
	}
}

// again fetches the issuer's document, due or not. The caller limits its calls itself. After a failure everything stays
// as it was.
func (d *discovery) again(ctx context.Context, c *Client) (document, *Error) {
	if e := d.wait(ctx, c); e != nil {
		return document{}, e
	}
	defer func() { d.turn <- struct{}{} }()
	now := c.config.Now()
	got, e := c.discover(ctx)
	if e != nil {
		return document{}, e
	}
	d.learn(got, c, now)
	return d.found, nil
}

// learn remembers a document that was asked for at an instant. Where it lacks an endpoint that only it can tell, the
// former one stays in use, and the document is fetched again soon.
func (d *discovery) learn(got document, c *Client, asked time.Time) {
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
	d.found, d.next, d.failure, d.failures = got, asked.Add(fresh), nil, 0
}

// held returns the failure of the last fetch for a caller that would fetch too soon after it; nil if there is a document.
func (d *discovery) held(now time.Time) *Error {
	if d.failure == nil {
		return nil
	}
	return d.failure.remembered(clock.Left(d.next, now))
}

// closed returns the error with which find would end now without a request; nil if there is none, or if somebody fetches.
func (d *discovery) closed(now time.Time) *Error {
	select {
	case <-d.turn:
	default:
		return nil
	}
	defer func() { d.turn <- struct{}{} }()
	if clock.Over(d.next, now) {
		return nil
	}
	return d.held(now)
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
