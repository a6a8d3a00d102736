package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"
)

const (
	// idleTime is how long an unused connection stays open. A new connection
	// costs a fraction of a millisecond. A short idleTime helps programs that
	// make a Client for each request and close none: they do not hold many
	// connections.
	idleTime = time.Second

	// dialPause is how long after a failed dial all calls fail at once with the
	// same cause. So a busy program does not dial thousands of times a second,
	// and calls still succeed soon after the daemon is back.
	dialPause = 50 * time.Millisecond
)

// pool lends each connection to one call at a time. Idle connections form a
// stack: the last used one serves next, and those below it close when they have
// been idle for idleTime.
type pool struct {
	dial   func(ctx context.Context) (net.Conn, error)
	places chan struct{}      // its capacity is the limit of connections; each call takes one place
	open   context.Context    // its end closes all connections and ends the calls on them
	shut   context.CancelFunc // ends open

	mu    sync.Mutex
	idle  []*conn   // the one that has been idle longest first
	until time.Time // no dial before this time
	cause error     // why the last dial failed
}

func newPool(limit int, dial func(ctx context.Context) (net.Conn, error)) *pool {
	p := &pool{dial: dial, places: make(chan struct{}, limit)}
	p.open, p.shut = context.WithCancel(context.Background())
	return p
}

// ask asks the question. If the connection was idle before and turns out to be
// dead, ask tries once more. Every lookup and admin verb may be asked twice
// without harm. There is no third try, because a request on which a daemon dies
// must not be sent for ever.
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
		switch dead := errors.Is(err, ErrBroken); {
		case dead && p.open.Err() != nil:
			return nil, errClosed()
		case dead && c.idle && !again: // the daemon has probably closed it while it was idle
			p.drop(func(*conn) bool { return true }) // the others are probably dead too, for example after a restart
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

// take returns the connection that was used last, or else a new one.
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
		c := newConn(p.open, nc)
		c.expiry = time.AfterFunc(idleTime, func() { p.drop(func(idle *conn) bool { return idle == c }) })
		return c, nil
	case p.open.Err() != nil:
		return nil, errClosed()
	case ctx.Err() != nil: // says nothing about the daemon
		return nil, ctx.Err()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.until, p.cause = time.Now().Add(dialPause), fmt.Errorf("neonauthd: %w: %w", ErrUnreachable, err)
	return nil, p.cause
}

// pop returns an idle connection, or nil if there is none. The error says why
// no new connection may be made.
func (p *pool) pop() (*conn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
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

// put gives a connection back to the pool.
func (p *pool) put(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.spent || p.open.Err() != nil {
		c.close()
		return
	}
	p.idle = append(p.idle, c)
	c.expiry.Reset(idleTime)
}

// drop closes the idle connections for which which is true.
func (p *pool) drop(which func(c *conn) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.idle {
		if which(c) {
			c.close()
		}
	}
	p.idle = slices.DeleteFunc(p.idle, which)
}

func errClosed() error { return fmt.Errorf("neonauthd: %w", ErrClosed) }
