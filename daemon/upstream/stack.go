package upstream

import (
	"context"
	"net/http"

	"github.com/neonauthd/neonauthd/protocol"
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

// missingKey returns the failure of a call that needs the server key, if there is none; nil if there is one.
func (c *Client) missingKey() *Error {
	switch {
	case !c.config.ServerKey.Empty():
		return nil
	case c.config.KeyUnreadable:
		return unreadableKey()
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
//
// Older releases omit some or all of the members. An absent member proves nothing: then the class that the verified
// token has proved remains, which is an admitted one. Each member that is present is judged on its own, so that no
// restriction is missed because another flag is absent.
func (c *Client) judgeClass(user object) *Error {
	flags, ok := readClassFlags(user)
	switch {
	case !ok:
		return unusable(http.StatusOK, "the profile's flags are not true or false")
	case flags.anonymous && !c.config.AllowAnonymous,
		(flags.restricted && !flags.anonymous || flags.banned) && !c.config.AllowRestricted:
		return &Error{Meaning: Denied, Denial: protocol.ReasonClassNotAllowed, Status: http.StatusOK, detail: "by the flags of the live profile"}
	case flags.contradicted:
		return unusable(http.StatusOK, "the profile gives a reason for a restriction, and says that there is none")
	}
	return nil
}

// classFlags are what a profile says of its user's class. False means "no" as well as "not said".
type classFlags struct {
	anonymous, restricted, banned bool
	contradicted                  bool // the profile gives a reason for a restriction, and says that there is none
}

// readClassFlags reads the flags. It is not ok if a flag is there that is not true, false or null.
func readClassFlags(user object) (f classFlags, ok bool) {
	var ok1, ok2, ok3 bool
	f.anonymous, ok1 = user.flag("is_anonymous")
	f.restricted, ok2 = user.flag("is_restricted")
	f.banned, ok3 = user.flag("restricted_by_admin")
	reason, reasoned := user.inner("restricted_reason") // an object exactly when the user is restricted, else null
	if reasoned && !f.restricted {
		f.contradicted = user.member("is_restricted").Kind() == 'f'
		f.restricted = !f.contradicted
		f.anonymous = f.anonymous || f.restricted && reason.text("type") == "anonymous"
	}
	return f, ok1 && ok2 && ok3
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
