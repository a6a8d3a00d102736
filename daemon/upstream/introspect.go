package upstream

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"net/url"
	"time"

	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/protocol"
)

// maxIntrospection is the largest answer about a token that is accepted, in bytes.
const maxIntrospection = 256 << 10

// Judge judges, at an instant, an answer that calls its token active. If the outcome is unknown, the answer cannot be
// used, and detail says why, in closed words. If it is unknown as misconfigured, so is this question, and nothing counts
// against the upstream. A no is judged again at a second instant; a yes is not.
type Judge func(answer []byte, now time.Time) (outcome protocol.Outcome, detail string)

// Introspect asks what the upstream says of an access token, and returns its answer if that calls the token active and
// judge has accepted it: one JSON object on one line, values as sent. The hint is always access_token: otherwise
// refresh tokens would be active too.
//
// A token that looks like a JWT must have been verified locally: the endpoint of Better Auth fails on other JWTs, which
// anybody can make up. asker, priority and ctx are as for [Client.Profile]. Introspection has a budget, a circuit and a
// pause of its own. The error is an *Error.
func (c *Client) Introspect(ctx context.Context, token []byte, judge Judge, asker fair.Asker, priority Priority) ([]byte, error) {
	const act = actIntrospect
	if e := c.missingClient(); e != nil {
		return nil, c.finish(act, e)
	}
	ctx, cancel := c.within(ctx)
	defer cancel()
	var said []byte
	e := c.governed(ctx, c.introspection, asker, priority, string(token), func() *Error {
		target, e := c.endpoint(ctx, c.endpoints.introspection, func(d document) string { return d.introspection },
			"the metadata name no usable introspection_endpoint; write introspection_url")
		if e == nil {
			said, e = c.introspect(ctx, target, string(token), judge)
		}
		return e
	})
	return said, c.finish(act, e)
}

// MayIntrospect is [Client.MayAskProfile] for [Client.Introspect].
func (c *Client) MayIntrospect() error {
	return c.mayAsk(actIntrospect, c.missingClient(), c.endpoints.introspection, c.introspection)
}

// missingClient returns the failure of an introspection without a client or without its secret; nil if both are there.
func (c *Client) missingClient() *Error {
	switch i := c.config.Introspection; {
	case i == nil:
		return missing("an introspection client")
	case i.Secret.Empty():
		return &Error{Meaning: Misconfigured, Local: true, detail: "the secret of introspection is not there or could not be read; check introspection.secret"}
	}
	return nil
}

func (c *Client) introspect(ctx context.Context, target, token string, judge Judge) ([]byte, *Error) {
	i := c.config.Introspection
	form := url.Values{"token": {token}, "token_type_hint": {"access_token"}}
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	if secret := i.Secret.Reveal(); i.Basic {
		// Each part is encoded before they are joined (RFC 6749 section 2.3.1).
		both := url.QueryEscape(i.ClientID) + ":" + url.QueryEscape(secret)
		header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(both)))
	} else {
		form.Set("client_id", i.ClientID)
		form.Set("client_secret", secret)
	}
	a, e := c.send(ctx, http.MethodPost, target, header, []byte(form.Encode()), maxIntrospection)
	if e != nil {
		return nil, e
	}
	if e := c.judgeIntrospection(a); e != nil {
		return nil, e
	}
	return readIntrospection(a, judge)
}

// readIntrospection reads a 200. If the answer says that the token is not active, this is a denial by the upstream.
func readIntrospection(a *answer, judge Judge) ([]byte, *Error) {
	if !isJSON(a.header) {
		return nil, unusable(a.status, "the body is not JSON by its Content-Type")
	}
	body, err := readObject(a.body, profileRules)
	if err != nil {
		return nil, notStrict(a.status, "the body is not one strict JSON object: ", err)
	}
	switch body.member("active").Kind() {
	case 't':
	case 'f':
		return nil, &Error{Meaning: Denied, Denial: protocol.ReasonRejectedUpstream, Status: a.status, detail: "the token is not active"}
	default:
		return nil, unusable(a.status, "the answer does not say whether the token is active")
	}
	outcome, detail := judge(body.compact, a.at.own)
	switch outcome.Status() {
	case protocol.OK:
		return body.compact, nil
	case protocol.NO:
		if told, _ := judge(body.compact, a.at.told); told != outcome {
			return nil, doubtful(a.status)
		}
		return nil, &Error{Meaning: Denied, Denial: outcome.Reason(), Status: a.status, OwnClock: !a.at.dated && restsOnTime(outcome.Reason()), detail: "by what the answer says of the token"}
	default:
		e := unusable(a.status, detail)
		if outcome.Code() == protocol.CodeMisconfigured { // the token of one user breaks a limit of ours
			e.Meaning, e.ofOne = Misconfigured, true
		}
		return nil, e
	}
}

// restsOnTime reports whether the reason may not hold at another time.
func restsOnTime(reason protocol.Reason) bool {
	return reason == protocol.ReasonExpired || reason == protocol.ReasonNotYetValid
}

// judgeIntrospection returns nil for a 200. Any other answer is about the client and never about the token: only a 200
// tells of the token.
func (c *Client) judgeIntrospection(a *answer) *Error {
	if e := c.judgeStatus(a.status, a.header); e != nil {
		if e.Meaning == Misconfigured { // a redirect, or another success: not the endpoint, and perhaps for a moment only
			e.Meaning, e.loud = Unavailable, true
		}
		return e
	}
	if a.status == http.StatusOK {
		return nil
	}
	if kind := mediaType(a.header); kind == "text/html" || kind == "application/xhtml+xml" {
		return c.paced(a, unusable(a.status, "a web page came in place of an answer; something else than the endpoint has answered"))
	}
	e := &Error{Meaning: Misconfigured, Status: a.status}
	if body, err := readObject(a.body, documentRules); err == nil {
		e.Code = clientCode(body.text("error"))
	}
	switch {
	case a.status == http.StatusBadRequest && e.Code == "invalid_client":
		e.detail = "there is no such client, its secret is another, or it is disabled; check introspection.client_id and the secret"
	case a.status == http.StatusUnauthorized:
		e.detail = "the client is not taken so; check that introspection.auth is the way that the client is registered for, that it has a secret, and the secret"
	case a.status == http.StatusNotFound, a.status == http.StatusMethodNotAllowed:
		e.detail = "there is no introspection endpoint at this address; check introspection_url"
	default:
		e.detail = "the endpoint does not take the question of this client"
	}
	return c.paced(a, e)
}

// clientCode returns an error code of RFC 6749 section 5.2, or nothing if the code is not on that list.
func clientCode(code string) string {
	switch code {
	case "invalid_client", "invalid_request", "unauthorized_client", "unsupported_token_type":
		return code
	}
	return ""
}

// TestIntrospection asks about a token that nobody has, and returns nil if the upstream says that the token is not
// active: then it takes the client. This does not show whether it tells the client about good tokens. The error is an
// *Error.
func (c *Client) TestIntrospection(ctx context.Context) error {
	_, err := c.Introspect(ctx, []byte(rand.Text()+rand.Text()), func([]byte, time.Time) (protocol.Outcome, string) {
		return protocol.Outcome{}, "a token was called active that nobody has"
	}, fair.Asker{}, Interactive)
	if e, ok := err.(*Error); ok && e.Meaning == Denied { //nolint:errorlint // Introspect returns nothing else
		return nil
	}
	return err
}

// IntrospectionGovernor returns the state of introspection's budget, circuit and pause; ok is false where there is no
// introspection.
func (c *Client) IntrospectionGovernor() (state GovernorState, ok bool) {
	if c.introspection == nil {
		return GovernorState{}, false
	}
	return c.introspection.state(), true
}
