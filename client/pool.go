package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// spill is the load at which a call looks for another connection. Below
	// it, sharing one costs less than a second stream of system calls.
	spill = 32

	// minBackoff and maxBackoff bound the time during which, after a failed
	// dial, calls fail at once with the same cause. Dialling a Unix socket is
	// cheap, and nobody wants to wait for a daemon that is back already, so
	// the bound is low; it only keeps a busy program from dialling thousands
	// of times a second.
	minBackoff = 5 * time.Millisecond
	maxBackoff = 250 * time.Millisecond
)

// pool keeps the few connections and sees to it that one call at a time dials.
type pool struct {
	dial  func(ctx context.Context) (net.Conn, error)
	limit int
	gate  gate

	conns atomic.Pointer[[]*conn] // replaced whole, under mu
	open  context.Context         // ends with close
	shut  context.CancelFunc      // ends open

	mu       sync.Mutex
	dialing  chan struct{} // closed when the dial in progress has ended; nil: none
	failures int           // dials failed in a row
	until    time.Time     // no dial before
	cause    error         // of the last failed dial
	closed   bool
	leaving  []*conn // take no calls, and have some
}

func (p *pool) ready(limit int, dial func(ctx context.Context) (net.Conn, error)) {
	p.dial, p.limit = dial, limit
	p.gate.ready(limit * maxInFlight)
	p.open, p.shut = context.WithCancel(context.Background())
	p.conns.Store(new([]*conn))
}

// get returns a connection that takes calls, dialling if that is called for.
// The call is counted in the connection's load already: callers that come at
// the same moment would otherwise all find the same one idle.
func (p *pool) get(ctx context.Context, end time.Time) (*conn, error) {
	for {
		if c := p.pick(); c != nil {
			return c, nil
		}
		c, wait, err := p.join(ctx, end)
		if err != nil {
			return nil, err
		}
		if c != nil {
			c.load.Add(1)
			return c, nil
		}
		timer := time.NewTimer(time.Until(end))
		select {
		case <-wait:
			timer.Stop()
		case <-p.open.Done():
			timer.Stop() // the next round says so
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		case <-timer.C:
			return nil, context.DeadlineExceeded
		}
	}
}

// pick returns the first connection that is not loaded, so that calls keep
// together; when all there may be are loaded, the one that is least.
func (p *pool) pick() *conn {
	var best *conn
	var least int32
	conns := *p.conns.Load()
	for _, c := range conns {
		if c.closed.Load() {
			continue
		}
		load := c.load.Add(1)
		if load <= spill {
			return c
		}
		c.load.Add(-1)
		if best == nil || load < least {
			best, least = c, load
		}
	}
	if best == nil || len(conns) < p.limit {
		return nil
	}
	best.load.Add(1)
	return best
}

// join dials, or returns a channel to wait on while another call dials. A call
// that finds a loaded connection rather uses that than wait.
func (p *pool) join(ctx context.Context, end time.Time) (*conn, <-chan struct{}, error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, nil, fmt.Errorf("neonauthd: %w", ErrClosed)
	}
	alive := p.sweepLocked()
	pausing := time.Now().Before(p.until)
	if n := len(alive); n > 0 && (p.dialing != nil || n >= p.limit || pausing) {
		p.mu.Unlock()
		return leastLoaded(alive), nil, nil
	}
	if p.dialing != nil {
		defer p.mu.Unlock()
		return nil, p.dialing, nil
	}
	if pausing {
		defer p.mu.Unlock()
		return nil, nil, p.cause
	}
	done := make(chan struct{})
	p.dialing = done
	p.mu.Unlock()

	nc, err := p.connect(ctx, end)
	c, err := p.dialled(ctx, nc, err)
	close(done)
	if err != nil && len(alive) > 0 && ctx.Err() == nil {
		return leastLoaded(alive), nil, nil // one more would have been nice to have
	}
	return c, nil, err
}

func leastLoaded(conns []*conn) *conn {
	return slices.MinFunc(conns, func(a, b *conn) int { return int(a.load.Load() - b.load.Load()) })
}

// sweepLocked drops the connections that take no calls and returns the rest.
func (p *pool) sweepLocked() []*conn {
	var alive []*conn
	for _, c := range *p.conns.Load() {
		if c.closed.Load() {
			p.leaving = append(p.leaving, c)
		} else {
			alive = append(alive, c)
		}
	}
	p.leaving = slices.DeleteFunc(p.leaving, (*conn).over)
	p.conns.Store(&alive)
	return alive
}

func (p *pool) connect(ctx context.Context, end time.Time) (net.Conn, error) {
	ctx, cancel := context.WithDeadline(ctx, end)
	defer cancel()
	defer context.AfterFunc(p.open, cancel)()
	return p.dial(ctx)
}

// dialled books the outcome of a dial.
func (p *pool) dialled(ctx context.Context, nc net.Conn, err error) (*conn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dialing = nil
	if p.closed {
		if err == nil {
			_ = nc.Close()
		}
		return nil, fmt.Errorf("neonauthd: %w", ErrClosed)
	}
	if err == nil {
		c := newConn(nc)
		grown := append(slices.Clone(*p.conns.Load()), c)
		p.conns.Store(&grown)
		p.failures, p.until, p.cause = 0, time.Time{}, nil
		return c, nil
	}
	if ctx.Err() != nil {
		return nil, ctx.Err() // the caller went away: no word about the daemon
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) { // the latter from TCP
		return nil, fmt.Errorf("neonauthd: connecting took too long: %w", context.DeadlineExceeded)
	}
	p.cause = fmt.Errorf("neonauthd: %w: %w", ErrUnreachable, err)
	pause := min(minBackoff<<min(p.failures, 10), maxBackoff)
	p.failures++
	p.until = time.Now().Add(pause/2 + rand.N(pause/2))
	return nil, p.cause
}

// renew is called after c broke while it had nothing to say. The others are as
// old and probably just as dead, after a restart for example: they finish what
// is under way on them and take no new calls.
func (p *pool) renew(c *conn) {
	if c.renewed.Swap(true) {
		return // another call has done it
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, other := range *p.conns.Load() {
		other.retire()
	}
	p.sweepLocked()
}

func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.shut()
	for _, c := range append(p.leaving, *p.conns.Load()...) {
		c.fail(fmt.Errorf("neonauthd: %w", ErrClosed))
	}
	p.conns.Store(new([]*conn))
	p.leaving = nil
}
