package upstream

import (
	"context"
	"net/http"
)

// stackHeader is the header of a users/me request with server access. x-stack-override-error-status is never sent:
// it would turn errors into successes.
func (c *Client) stackHeader(token string) http.Header {
	header := http.Header{}
	header.Set("X-Stack-Access-Type", "server")
	header.Set("X-Stack-Project-Id", c.config.ProjectID)
	header.Set("X-Stack-Secret-Server-Key", c.config.ServerKey.Reveal())
	if token != "" {
		header.Set("X-Stack-Access-Token", token)
	}
	if c.config.AllowRestricted {
		header.Set("X-Stack-Allow-Restricted-User", "true")
	}
	if c.config.AllowAnonymous {
		header.Set("X-Stack-Allow-Anonymous-User", "true")
	}
	return header
}

// missingKey returns the failure of whatever needs the server key while there is none.
func (c *Client) missingKey() *Error {
	switch {
	case !c.config.ServerKey.Empty():
		return nil
	case c.config.KeyUnreadable:
		return &Error{Meaning: Misconfigured, Local: true, detail: "the server key could not be read, so there are no profiles; the line \"server key not usable\" says why"}
	}
	return &Error{Meaning: Misconfigured, Local: true, detail: "no secret_server_key is set, so there are no profiles"}
}

func (c *Client) stackProfile(ctx context.Context, token, subject string) (Profile, *Error) {
	a, e := c.get(ctx, c.endpoints.profile, c.stackHeader(token), MaxProfileBody)
	if e != nil {
		return Profile{}, e
	}
	if e := c.judgeStack(a); e != nil {
		return Profile{}, e
	}
	user, e := readProfile(a, "id", subject)
	if e != nil {
		return Profile{}, e
	}
	if e := c.judgeClass(user); e != nil {
		return Profile{}, e
	}
	return Profile{Body: user.compact, Subject: subject}, nil
}

// judgeClass compares the user's present class with those admitted. The upstream refuses by the flags in the token
// only, which may be older than a ban.
func (c *Client) judgeClass(user object) *Error {
	anonymous, ok1 := user.flag("is_anonymous")
	restricted, ok2 := user.flag("is_restricted")
	banned, ok3 := user.flag("restricted_by_admin")
	switch {
	case !ok1 || !ok2 || !ok3:
		return unusable(http.StatusOK, "the profile's flags are not true or false")
	case anonymous && !c.config.AllowAnonymous,
		(restricted && !anonymous || banned) && !c.config.AllowRestricted:
		return &Error{Meaning: Denied, Denial: ClassNotAllowed, Status: http.StatusOK, detail: "by the flags of the live profile"}
	}
	return nil
}

// stackSelfTest asks for the own user without a token: the upstream checks project and key before it misses the user.
func (c *Client) stackSelfTest(ctx context.Context) *Error {
	a, e := c.get(ctx, c.endpoints.profile, c.stackHeader(""), MaxProfileBody)
	if e != nil {
		return e
	}
	e = c.judgeStack(a)
	switch {
	case e == nil:
		return noKnownError(a.status, "a user was returned though none was asked for")
	case e.Code == codeNoUser:
		return nil
	case e.Meaning == Denied:
		// No token was sent, so there is nobody to deny.
		return noKnownError(e.Status, "a token was judged though none was sent")
	}
	return e
}
