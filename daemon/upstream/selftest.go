package upstream

import (
	"context"
	"net/http"

	"github.com/neonauthd/neonauthd/daemon/fair"
)

// SelfTest finds out whether the settings are right, without any user's token; nil means that they are, as far as that
// can be told.
//
// Stack: project id and server key are checked upstream. Neon and OIDC: all that can be told is that the key set is
// reachable (OIDC: and that discovery names the issuer as configured). The error is an *Error and never Denied.
//
// It takes a share of the profile budget only for Stack, whose users/me it asks.
func (c *Client) SelfTest(ctx context.Context) error {
	const act = actSelfTest
	ctx, cancel := c.within(ctx)
	defer cancel()
	if c.config.Preset != Stack {
		_, e := c.keyset(ctx, Validators{}, http.Header{})
		return c.finish(act, e)
	}
	if e := c.missingKey(); e != nil {
		return c.finish(act, e)
	}
	return c.finish(act, c.governed(ctx, c.governor, fair.Asker{}, Interactive, "", func() *Error { return c.stackSelfTest(ctx) }))
}

// TestAPIKeys asks about an API key that nobody has, and returns nil if the upstream says that there is no such key:
// then it judges keys of that type. The error is an *Error.
func (c *Client) TestAPIKeys(ctx context.Context, team bool) error {
	const act = "test API keys"
	if e := c.missingKey(); e != nil {
		return c.finish(act, e)
	}
	ctx, cancel := c.within(ctx)
	defer cancel()
	e := c.governed(ctx, c.governor, fair.Asker{}, Interactive, "", func() *Error {
		_, e := c.keyOwner(ctx, unknownKey(team))
		return e
	})
	switch {
	case e == nil:
		e = noKnownError(http.StatusOK, "an owner was told of an API key that nobody has")
	case e.Code == codeNoKey:
		return nil
	case e.Meaning == Denied:
		e = noKnownError(e.Status, "an API key was judged that nobody has")
	}
	return c.finish(act, e)
}
