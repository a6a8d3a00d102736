package upstream

import (
	"context"
	"errors"
	"net/http"

	"github.com/neonauthd/neonauthd/daemon/fair"
)

// ErrNotSession is wrapped by the error of [Client.Profile] when preset Neon is given anything but a session
// credential, such as a JWT: this upstream knows nothing to ask about a JWT. See [ParseSession].
var ErrNotSession = errors.New("a token, and no session credential: without introspection this upstream has nothing to ask about it")

// Profile fetches the live profile of the user behind token.
//
// For Stack and OIDC token is an access token that has been verified locally, and subject its verified "sub": an
// answer about anybody else is no answer. For Neon token is a session credential ([ParseSession]) and subject may be
// empty, to be learned from the answer.
//
// asker is on whose behalf the upstream is asked: askers take turns when the budget is short.
//
// The call takes at most Config.Timeout as a whole: waiting for its turn (interactive requests only, at most a third)
// and the exchange. It is safe to abandon: a caller's cancelled context does not count against the upstream.
//
// The error is an *Error. A user whom the upstream calls anonymous, restricted or banned now is Denied like one it
// refuses, unless the class is admitted, whatever the class of the token.
func (c *Client) Profile(ctx context.Context, token []byte, subject string, asker fair.Asker, priority Priority) (Profile, error) {
	act := c.actOf(token, subject)
	ask, e := c.question(string(token), subject)
	if e != nil {
		return Profile{}, c.finish(act, e)
	}
	ctx, cancel := c.within(ctx)
	defer cancel()
	var found Profile
	about := subject
	if about == "" && act != actAPIKey { // keys that anybody can make up may all be refused while keys are switched off
		about = string(token)
	}
	e = c.governed(ctx, c.governor, asker, priority, about, func() (e *Error) {
		found, e = ask(ctx)
		return e
	})
	if e == nil && found.signed != nil { // this is outside of the budget: keys may have to be fetched
		found, e = c.open(ctx, found, token, asker)
	}
	return found, c.finish(act, e)
}

// MayAskProfile returns the error with which [Client.Profile] would end now without a request: a setting is missing, the
// circuit is open, or the upstream has asked for a pause. It returns nil if none of these is known. It sends nothing and
// does not wait. Ask it before something is spent on a call. It is safe for concurrent use. The error is an *Error.
func (c *Client) MayAskProfile(token []byte, subject string) error {
	_, e := c.question(string(token), subject)
	return c.mayAsk(c.actOf(token, subject), e, c.endpoints.profile, c.governor)
}

// mayAsk returns the error with which an act would end now without a request; nil if none is known. e is what is missing for
// it, configured the URL of its endpoint, empty for one that the issuer's document names. g is its governor.
func (c *Client) mayAsk(act string, e *Error, configured string, g *governor) error {
	if e == nil && configured == "" {
		_, e = c.discovery.known(c.config.Now())
	}
	if e == nil {
		e = g.closed()
	}
	if e == nil {
		return nil // finish would count it as an answer
	}
	return c.finish(act, e)
}

// actOf returns what a question about the token is called in errors.
func (c *Client) actOf(token []byte, subject string) string {
	if _, ok := ParseAPIKey(token); ok && c.config.Preset == Stack && subject == "" {
		return actAPIKey
	}
	return actProfile
}

// question returns the function that asks the preset's question, or tells why it cannot be asked.
func (c *Client) question(token, subject string) (func(context.Context) (Profile, *Error), *Error) {
	switch c.config.Preset {
	case Stack:
		if e := c.missingKey(); e != nil {
			return nil, e
		}
		if k, ok := ParseAPIKey([]byte(token)); ok && subject == "" {
			return func(ctx context.Context) (Profile, *Error) { return c.keyOwner(ctx, k) }, nil
		}
		if !isVisible(token) || subject == "" {
			return nil, missing("a verified token and its subject")
		}
		return func(ctx context.Context) (Profile, *Error) { return c.stackProfile(ctx, token, subject) }, nil
	case Neon:
		s, ok := ParseSession([]byte(token))
		if !ok {
			return nil, &Error{Local: true, detail: ErrNotSession.Error(), err: ErrNotSession}
		}
		return func(ctx context.Context) (Profile, *Error) { return c.neonProfile(ctx, s, subject) }, nil
	default:
		if !isVisible(token) || subject == "" {
			return nil, missing("a verified token and its subject")
		}
		return func(ctx context.Context) (Profile, *Error) { return c.oidcProfile(ctx, token, subject) }, nil
	}
}

// governed runs ask when g lets it, and lets g learn from the result, also from a panic. about is the user that is asked
// about, or the credential if the user is not known; empty for nobody.
func (c *Client) governed(ctx context.Context, g *governor, asker fair.Asker, priority Priority, about string, ask func() *Error) *Error {
	t, e := g.admit(ctx, asker, priority)
	if e != nil {
		return e
	}
	if priority != Unproved {
		t.about = about
	}
	e = &Error{outcome: failed} // what a panic counts as
	defer func() { t.end(e) }()
	e = ask()
	return e
}

// missing is the failure of a call that lacks what it needs.
func missing(what string) *Error {
	return &Error{Local: true, detail: "asked without " + what}
}

// readProfile reads a 200 as the profile of subject.
func readProfile(a *answer, name, subject string) (object, *Error) {
	if !isJSON(a.header) {
		return object{}, unusable(a.status, "the body is not JSON by its Content-Type")
	}
	return readClaims(a.body, a.status, name, subject)
}

// readClaims reads the body of an answer as the profile of subject, whose id is in the member with that name.
func readClaims(text []byte, status int, name, subject string) (object, *Error) {
	body, err := readObject(text, profileRules)
	if err != nil {
		return object{}, notStrict(status, "the body is not one strict JSON object: ", err)
	}
	id, ok := body.identifier(name)
	if !ok {
		return object{}, unusable(status, "the profile does not say whose it is")
	}
	if id != subject {
		return object{}, somebodyElse()
	}
	return body, nil
}

// somebodyElse is the failure of an answer about another user than asked for. Nothing of it may be used, and the
// operator has to hear of it: a cache in between may mix up users.
func somebodyElse() *Error {
	return unusable(http.StatusOK, "the answer is about another user than asked for; is there a cache in between?")
}
