// Package client asks neonauthd, the daemon on this host that verifies Neon
// Auth tokens, what it makes of a token.
//
// There are three outcomes, and they are three types:
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
// reached" says nothing about a token; with an error beside the answer, the
// natural line `if err != nil { deny }` would log every user out whenever the
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

	// DefaultTimeout is how long one call may take in all, connecting
	// included, unless Client.Timeout, Deadline or the context says otherwise.
	DefaultTimeout = time.Second

	// DefaultConns is how many connections a Client has at most, each for one
	// call at a time; calls beyond wait. Only a slow upstream makes a program
	// need many of them: what is kept takes none, what the daemon knows takes
	// one for some tens of microseconds.
	DefaultConns = 32

	// DefaultKeep is how many accepted answers a Client keeps.
	DefaultKeep = 1024

	// DefaultName is what Hello calls a program that has no Client.Name.
	DefaultName = "go"
)

// Client asks one daemon. Its zero value is ready to use and asks the daemon
// of this host. Fields are set before the first call and not changed after it.
// A Client is safe for concurrent use and is meant to be shared: what one
// caller has learnt serves the others.
//
// A Client keeps accepted answers in memory and gives them again, without a
// system call, for as long as the daemon has promised to tell it what has
// ended. A revocation is in force in every process when the command that asked
// for it returns. The promise comes over one more connection, with a goroutine
// that reads it; both end some seconds after the last call, as idle connections
// do.
type Client struct {
	// Socket is the path of the daemon's socket. Empty: the value of the
	// environment variable SocketVariable, else protocol.DefaultSocket.
	Socket string

	// Project is the daemon's name for the project that tokens belong to.
	// Empty: the daemon's first project. WithProject overrides it for a call.
	Project string

	// Timeout bounds each call, connecting included. Zero or less:
	// DefaultTimeout. Deadline overrides it for a call; a context that ends
	// earlier always wins.
	Timeout time.Duration

	// Conns is the greatest number of connections for calls. Zero or less:
	// DefaultConns.
	Conns int

	// Keep is how many accepted answers are kept in memory, at 4 KiB each on
	// average. Zero: DefaultKeep. Less: none, and every call asks the daemon.
	Keep int

	// Name is what Hello calls this program. Empty: DefaultName.
	Name string

	// Dial opens a connection to the daemon in place of a Unix socket dial.
	// The context ends when the call that needs the connection must end.
	Dial func(ctx context.Context) (net.Conn, error)

	once   sync.Once
	seed   maphash.Seed
	pool   *pool
	keeper *keeper // nil: nothing is kept
}

// Verify asks whether the token is genuine and still valid, judged from its
// signature and claims alone. Accepted.JSON is then the claims object. The token
// stands alone, without "Bearer" and without an end of line.
func (c *Client) Verify(ctx context.Context, token string, opts ...Option) Answer {
	return c.lookup(ctx, protocol.VERIFY, token, opts)
}

// Profile asks the same as Verify and, when the token is good, for the user's
// profile as the upstream knows it. Accepted.JSON is then the profile; with
// FallbackClaims it may be the claims object instead, and Accepted.Level tells.
func (c *Client) Profile(ctx context.Context, token string, opts ...Option) Answer {
	return c.lookup(ctx, protocol.PROFILE, token, opts)
}

// Close closes the connections and forgets what is kept. Calls in progress and
// later ones get Unknown with ErrClosed. It always returns nil, and may be called
// more than once. A Client that is not closed costs nothing a few seconds after
// its last call.
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

// Path is the path of the socket that the client uses when it has no Dial.
func (c *Client) Path() string {
	return cmp.Or(c.Socket, os.Getenv(SocketVariable), protocol.DefaultSocket)
}

// init readies the client once; that is what makes the zero value work.
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
