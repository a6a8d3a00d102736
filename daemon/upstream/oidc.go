package upstream

import (
	"context"
	"net/http"
)

// oidcProfile asks the userinfo endpoint (OpenID Connect Core 1.0 section 5.3).
//
// The answer is one JSON object, or the same object as a signed JWT if the client that got the token is registered so.
func (c *Client) oidcProfile(ctx context.Context, token, subject string) (Profile, *Error) {
	target, e := c.endpoint(ctx, c.endpoints.profile, func(d document) string { return d.profile }, "the discovery document has no usable userinfo_endpoint")
	if e != nil {
		return Profile{}, e
	}
	a, e := c.get(ctx, target, http.Header{"Authorization": {"Bearer " + token}, "Accept": {"application/json, application/jwt"}}, MaxProfileBody)
	if e != nil {
		return Profile{}, e
	}
	if e := c.judgeUserinfo(a); e != nil {
		return Profile{}, e
	}
	if mediaType(a.header) == "application/jwt" {
		return Profile{Subject: subject, signed: a.body}, nil
	}
	claims, e := readProfile(a, "sub", subject)
	if e != nil {
		return Profile{}, e
	}
	return Profile{Body: claims.compact, Subject: subject}, nil
}

// judgeUserinfo returns nil if the answer is a success whose body may be read as claims.
func (c *Client) judgeUserinfo(a *answer) *Error {
	if e := c.judgeStatus(a.status, a.header); e != nil {
		return e
	}
	if a.status == http.StatusOK {
		return nil
	}
	code := challengeCode(a.header)
	meaning, denial, known := bearerCode(code, a.status)
	if !known {
		return c.paced(a, noKnownError(a.status, "no known error; something else than the issuer may have answered"))
	}
	return c.paced(a, &Error{Meaning: meaning, Denial: denial, Code: code, Status: a.status})
}
