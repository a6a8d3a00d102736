package client

import "context"

// Asker is the interface of lookups. *Client implements it, and so does the
// Fake of package clienttest: code that takes an Asker can be tested without a
// daemon. An implementation must be safe for concurrent use and must never
// return nil.
type Asker interface {
	// Verify does what Client.Verify does.
	Verify(ctx context.Context, token string, opts ...Option) Answer

	// Profile does what Client.Profile does.
	Profile(ctx context.Context, token string, opts ...Option) Answer
}

var _ Asker = (*Client)(nil)
