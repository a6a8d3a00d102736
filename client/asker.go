package client

import "context"

// Asker asks about tokens: a *Client, or what a test puts in its place
// (package clienttest). Code that takes an Asker can be tested without a daemon.
// An implementation is safe for concurrent use and never returns nil.
type Asker interface {
	// Verify is as Client.Verify.
	Verify(ctx context.Context, token string, opts ...Option) Answer

	// Profile is as Client.Profile.
	Profile(ctx context.Context, token string, opts ...Option) Answer
}

var _ Asker = (*Client)(nil)
