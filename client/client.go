// Package client asks neonauthd whether a Neon Auth token is good. neonauthd is
// the daemon on this host that verifies these tokens.
//
// An answer has one of three outcomes, and each outcome is a type:
//
//	switch a := c.Verify(ctx, token).(type) {
//	case client.Accepted:
//		serve(a.Subject)           // 200
//	case client.Rejected:
//		challenge(a.Reason)        // 401: the daemon holds proof against the token
//	case client.Unknown:
//		tryLater(a.RetryAfter)     // 503: nothing was learnt about the token
//	}
//
// Verify and Profile have no error result on purpose. "The daemon could not be
// reached" says nothing about a token. With an error beside the answer, the
// usual line `if err != nil { deny }` would log every user out whenever the
// daemon restarts.
package client

import (
	"cmp"
	"context"
	"fmt"
	"hash/maphash"
	"net"
	"os"
	"sync"
	"time"

	"github.com/neonauthd/neonauthd/protocol"
)

const (
	// SocketVariable names the environment variable that holds the path of
	// the daemon's socket for programs that do not set Client.Socket.
	SocketVariable = "NEONAUTHD_SOCKET"

	// DefaultTimeout bounds one call, connecting included, unless
	// Client.Timeout, Deadline or the context sets another bound.
	DefaultTimeout = time.Second

	// DefaultConns is the greatest number of connections of a Client. A
	// connection carries one call at a time; further calls wait for a free one.
	// Only a slow upstream makes a program need many connections: a kept answer
	// needs none, and an answer that the daemon has in memory needs one for
	// some tens of microseconds.
	DefaultConns = 32

	// DefaultKeep is how many accepted answers a Client keeps.
	DefaultKeep = 1024

	// DefaultName is the name that Hello sends for a program without a
	// Client.Name.
	DefaultName = "go"
)

// Client asks one daemon. The zero value is ready to use and asks the daemon of
// this host. Set the fields before the first call, and do not change them
// afterwards. A Client is safe for concurrent use and is meant to be shared:
// its callers then share the connections and the kept answers.
//
// A Client keeps accepted answers in memory, and returns a kept answer without
// a system call. It does so only while the daemon's promise holds to report
// every change that ends an answer. So a revocation is in force in every
// process when the command that asked for it returns. The promise needs one
// more connection, and a goroutine that reads it. Both end some seconds after
// the last call, as idle connections do.
type Client struct {
	// Socket is the path of the daemon's socket. Empty: the value of the
	// environment variable SocketVariable or, if that is not set,
	// protocol.DefaultSocket.
	Socket string

	// Project is the daemon's name for the project that the tokens belong to.
	// Empty: the daemon's first project. WithProject overrides Project for one
	// lookup.
	Project string

	// Timeout bounds each call, connecting included. Zero or less:
	// DefaultTimeout. Deadline overrides Timeout for one lookup. A context that
	// ends earlier always wins.
	Timeout time.Duration

	// Conns is the greatest number of connections for calls. Zero or less:
	// DefaultConns.
	Conns int

	// Keep is how many accepted answers are kept in memory; an answer takes 4
	// KiB on average. Zero: DefaultKeep. Negative: none, and every call asks
	// the daemon.
	Keep int

	// Name is the name of this program that Hello sends. Empty: DefaultName.
	Name string

	// Dial opens a connection to the daemon. Nil: the Client dials the Unix
	// socket itself. The context ends when the call that needs the connection
	// must end.
	Dial func(ctx context.Context) (net.Conn, error)

	once   sync.Once
	seed   maphash.Seed
	pool   *pool
	keeper *keeper // nil: nothing is kept
}

// Verify asks whether the token is genuine and still valid. The daemon judges
// that from the token's signature and claims alone. Accepted.JSON is then the
// claims object. Pass the token alone, without "Bearer" and without an end of
// line.
func (c *Client) Verify(ctx context.Context, token string, opts ...Option) Answer {
	return c.lookup(ctx, protocol.VERIFY, token, opts)
}

// Profile asks the same as Verify and, if the token is good, also asks for the
// user's profile as the upstream knows it. Accepted.JSON is then the profile.
// With FallbackClaims it may be the claims object instead; Accepted.Level tells
// which of the two it is.
func (c *Client) Profile(ctx context.Context, token string, opts ...Option) Answer {
	return c.lookup(ctx, protocol.PROFILE, token, opts)
}

// Close closes the connections and forgets the kept answers. Calls in progress
// and later calls return Unknown with ErrClosed. Close always returns nil, and
// may be called more than once. A Client that is not closed holds no connection
// and no goroutine a few seconds after its last call.
func (c *Client) Close() error {
	c.init()
	if c.keeper != nil {
		c.keeper.close()
	}
	c.pool.shut()
	return nil
}

// String names the socket only.
func (c *Client) String() string {
	return fmt.Sprintf("neonauthd client of %q", c.Path())
}

// Path returns the path of the socket that the Client dials when it has no
// Dial: Socket, the environment variable or the default.
func (c *Client) Path() string {
	return cmp.Or(c.Socket, os.Getenv(SocketVariable), protocol.DefaultSocket)
}

// init makes the zero value usable, at the first call.
func (c *Client) init() {
	c.once.Do(func() {
		c.seed = maphash.MakeSeed()
		dial, answers := c.Dial, cmp.Or(c.Keep, DefaultKeep)
		if dial == nil {
			dial = unixDialer(c.Path())
		}
		c.pool = newPool(cmp.Or(max(c.Conns, 0), DefaultConns), dial)
		if answers > 0 {
			c.keeper = newKeeper(answers, dial)
		}
	})
}
