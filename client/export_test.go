package client

import (
	"sync"
	"time"
)

// Hint adds to an error of dialing what to check.
func Hint(err error) error { return hint(err) }

// Clocks are the clocks of a client under test. They change only by Move.
type Clocks struct {
	mu  sync.Mutex
	now instant
}

// SetClocks gives the client new clocks; the wall clock begins at that instant.
// Call it before the client is asked anything.
func (c *Client) SetClocks(wall time.Time) *Clocks {
	clocks := &Clocks{now: instant{wall: wall.UnixNano()}}
	c.init()
	c.keeper.clock = clocks.read
	return clocks
}

func (c *Clocks) read() instant {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Move moves each clock forward by the given time.
func (c *Clocks) Move(mono, wall time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now.mono += mono
	c.now.wall += int64(wall)
}

// Wall is the wall clock.
func (c *Clocks) Wall() time.Time { return time.Unix(0, c.read().wall) }

// Watching reports whether the client's watch is up and no answer is due on it.
func (c *Client) Watching() bool {
	m := &c.keeper.memory
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.up.Load() && !m.owed
}

// Heard is the last revision that the client has been told.
func (c *Client) Heard() int64 {
	m := &c.keeper.memory
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.rev
}

// Unwatched reports whether the client has no watch and opens none.
func (c *Client) Unwatched() bool { return !c.keeper.watching.Load() }

// Still reports whether no lookup runs in the background.
func (c *Client) Still() bool { return len(c.keeper.refreshes) == 0 }

// WithPayload returns the answer for a token with another payload.
func WithPayload(a Accepted, payload string) Accepted {
	a.payload = payload
	return a
}
