package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"
)

const (
	// idleTime is how long a connection stays open that nobody uses. Another
	// one is had in a fraction of a millisecond, so a program that makes a
	// client for each request, and closes none, does not hold many.
	idleTime = time.Second

	// dialPause is for how long after a failed dial calls fail at once with the
	// same cause: a busy program need not dial thousands of times a second, and
	// nobody wants to wait long for a daemon that is back.
	dialPause = 50 * time.Millisecond
)

// pool lends connections, each to one call at a time. Those that are idle lie
// in a stack: the one used last serves next, and the others end by themselves.
type pool struct {
	dial   func(ctx context.Context) (net.Conn, error)
	places chan struct{}      // as many as there may be connections; a call takes one
	open   context.Context    // when it ends all connections do, and the calls on them
	shut   context.CancelFunc // ends open

	mu      sync.Mutex
	process int     // whose the idle ones are; a fork's child must not use them
	idle    []*conn // by the time at which they became so
	sweeper *time.Timer
	until   time.Time // no dial before
	cause   error     // of the last failed dial
}

func newPool(limit int, dial func(ctx context.Context) (net.Conn, error)) *pool {
	p := &pool{dial: dial, places: make(chan struct{}, limit), process: os.Getpid()}
	p.open, p.shut = context.WithCancel(context.Background())
	return p
}

// ask asks the question, and asks again a single time if the connection was an
// idle one that turned out to be dead. Both a lookup and an admin verb may be
// asked twice without harm; the bound is there because a daemon that dies of a
// request must not be fed it for ever.
func (p *pool) ask(ctx context.Context, end time.Time, q *question) ([]byte, error) {
	if err := p.enter(ctx, end); err != nil {
		return nil, err
	}
	defer func() { <-p.places }()
	for again := false; ; again = true {
		c, err := p.take(ctx, end)
		if err != nil {
			return nil, err
		}
		line, err := c.ask(ctx, end, q)
		p.put(c)
		switch b, ok := errors.AsType[*broken](err); {
		case ok && p.open.Err() != nil:
			return nil, errClosed()
		case ok && b.idle && !again:
			p.dropIdle(time.Now()) // as old as this one, and as dead, after a restart for example
		default:
			return line, err
		}
	}
}

// enter waits for a place.
func (p *pool) enter(ctx context.Context, end time.Time) error {
	select {
	case p.places <- struct{}{}:
		return nil
	default:
	}
	ctx, cancel := context.WithDeadline(ctx, end)
	defer cancel()
	select {
	case p.places <- struct{}{}:
		return nil
	case <-p.open.Done():
		return errClosed()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// take returns the connection used last, or else a new one.
func (p *pool) take(ctx context.Context, end time.Time) (*conn, error) {
	if c, err := p.pop(); c != nil || err != nil {
		return c, err
	}
	ctx, cancel := context.WithDeadline(ctx, end)
	defer cancel()
	defer context.AfterFunc(p.open, cancel)()
	nc, err := p.dial(ctx)
	switch {
	case err == nil:
		return newConn(p.open, nc), nil
	case p.open.Err() != nil:
		return nil, errClosed()
	case ctx.Err() != nil: // no word about the daemon
		return nil, ctx.Err()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.until, p.cause = time.Now().Add(dialPause), fmt.Errorf("neonauthd: %w: %w", ErrUnreachable, err)
	return nil, p.cause
}

// pop returns an idle connection, nil when there is none, or why none may be made.
func (p *pool) pop() (*conn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if pid := os.Getpid(); pid != p.process {
		p.process, p.idle = pid, nil
	}
	switch n := len(p.idle); {
	case p.open.Err() != nil:
		return nil, errClosed()
	case n > 0:
		c := p.idle[n-1]
		p.idle, c.idle = p.idle[:n-1], true
		return c, nil
	case time.Now().Before(p.until):
		return nil, p.cause
	}
	return nil, nil
}

// put takes a connection back.
func (p *pool) put(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.spent || p.open.Err() != nil {
		c.close()
		return
	}
	c.since = time.Now()
	p.idle = append(p.idle, c)
	if p.sweeper == nil {
		p.sweeper = time.AfterFunc(idleTime, p.sweep)
	}
}

// sweep ends the connections that nobody has used for a while. Its timer runs
// only while there are idle ones.
func (p *pool) sweep() {
	p.dropIdle(time.Now().Add(-idleTime))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sweeper = nil
	if len(p.idle) > 0 {
		p.sweeper = time.AfterFunc(idleTime-time.Since(p.idle[0].since), p.sweep)
	}
}

// dropIdle ends the connections that have been idle since then or longer.
func (p *pool) dropIdle(since time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.idle) > 0 && !p.idle[0].since.After(since) {
		p.idle[0].close()
		p.idle = p.idle[1:]
	}
}

func errClosed() error { return fmt.Errorf("neonauthd: %w", ErrClosed) }
