// Package clocktest has a clock for tests whose two readings can be moved apart,
// as a step of the wall clock or a sleep of the host does.
package clocktest

import (
	"sync"
	"time"
	"unsafe"
)

// Clock gives instants like time.Now, with a wall clock and a monotonic reading.
// Make it with New or Following. Safe for concurrent use.
type Clock struct {
	mu     sync.Mutex
	start  time.Time
	passed func() time.Duration // since start; nil: the clock stands
	moved  time.Duration        // by Advance
	slept  time.Duration        // by Sleep
	wrong  time.Duration        // by Step
	now    time.Time            // of a clock that stands: reading it costs a benchmark nothing
}

// New returns a clock that stands at time.Now until it is moved.
func New() *Clock {
	c := &Clock{start: time.Now()}
	c.now = c.reading()
	return c
}

// Following returns a clock that goes on as time.Now does, which in a bubble of
// testing/synctest is the bubble's time.
func Following() *Clock {
	start := time.Now()
	return &Clock{start: start, passed: func() time.Duration { return time.Since(start) }}
}

// Now is the clock's instant.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.passed == nil {
		return c.now
	}
	return c.reading()
}

// monotonic is the time since start. c.mu is held.
func (c *Clock) monotonic() time.Duration {
	if c.passed == nil {
		return c.moved
	}
	return c.moved + c.passed()
}

// reading is the clock's instant. c.mu is held.
func (c *Clock) reading() time.Time {
	since := c.monotonic()
	return instant(c.start.Add(since+c.slept+c.wrong), since)
}

// Right is the instant by the clocks of everybody else, which nobody steps.
func (c *Clock) Right() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.start.Round(0).Add(c.monotonic() + c.slept)
}

// Advance lets time pass: both readings move on.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.moved += d
	c.now = c.reading()
}

// Step sets the wall clock ahead, or back if d is below zero. The monotonic
// reading stays.
func (c *Clock) Step(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wrong += d
	c.now = c.reading()
}

// Sleep lets the host sleep for d: on Linux the monotonic clock stands still
// meanwhile, and the wall clock is right afterwards.
func (c *Clock) Sleep(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.slept += d
	c.now = c.reading()
}

// layout is that of a time.Time with a monotonic reading: from the highest bit
// on, wall holds a one, the seconds since 1885 and the nanoseconds, and ext the
// monotonic reading in nanoseconds. A test checks that package time still has
// it.
type layout struct {
	wall uint64
	ext  int64
	loc  *time.Location
}

// instant returns the instant of a wall clock's and a monotonic reading. Package
// time has no call for that.
func instant(wall time.Time, monotonic time.Duration) time.Time {
	t := wall
	seconds := wall.Unix() - time.Date(1885, time.January, 1, 0, 0, 0, 0, time.UTC).Unix()
	at := (*layout)(unsafe.Pointer(&t))
	at.wall = 1<<63 | uint64(seconds)<<30 | uint64(wall.Nanosecond())
	at.ext = int64(monotonic)
	return t
}
