package upstream

import (
	"context"

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
	const act = "test the settings"
	ctx, cancel := c.within(ctx)
	defer cancel()
	if c.config.Preset != Stack {
		_, e := c.keyset(ctx, Validators{})
		return c.finish(act, e)
	}
	if e := c.missingKey(); e != nil {
		return c.finish(act, e)
	}
	return c.finish(act, c.governed(ctx, fair.Asker{}, Interactive, func() *Error { return c.stackSelfTest(ctx) }))
}
