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
	passed func() time.Duration // since start
	moved  time.Duration        // by Advance
	slept  time.Duration        // by Sleep
	wrong  time.Duration        // by Step
}

// New returns a clock that stands at time.Now until it is moved.
func New() *Clock {
	return &Clock{start: time.Now(), passed: func() time.Duration { return 0 }}
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
	monotonic := c.moved + c.passed()
	return instant(c.start.Add(monotonic+c.slept+c.wrong), monotonic)
}

// Right is the instant by the clocks of everybody else, which nobody steps.
func (c *Clock) Right() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.start.Round(0).Add(c.moved + c.passed() + c.slept)
}

// Advance lets time pass: both readings move on.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.moved += d
}

// Step sets the wall clock ahead, or back if d is below zero. The monotonic
// reading stays.
func (c *Clock) Step(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wrong += d
}

// Sleep lets the host sleep for d: on Linux the monotonic clock stands still
// meanwhile, and the wall clock is right afterwards.
func (c *Clock) Sleep(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.slept += d
}

// layout is that of a time.Time with a monotonic reading: from the highest bit
// on, wall holds a one, the seconds since 1885 and the nanoseconds, and ext the
// monotonic reading in nanoseconds. A test holds package time to it.
type layout struct {
	wall uint64
	ext  int64
	loc  *time.Location
}

// instant returns the instant of a wall clock's and a monotonic reading. Package
// time has no call for that.
func instant(wall time.Time, monotonic time.Duration) time.Time {
	t := time.Now()
	seconds := wall.Unix() - time.Date(1885, time.January, 1, 0, 0, 0, 0, time.UTC).Unix()
	at := (*layout)(unsafe.Pointer(&t))
	at.wall = 1<<63 | uint64(seconds)<<30 | uint64(wall.Nanosecond())
	at.ext = int64(monotonic)
	return t
}
