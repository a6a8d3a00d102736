package upstream

import (
	"math/rand/v2"
	"time"

	"github.com/neonauthd/neonauthd/daemon/clock"
)

// Bounds of the circuit.
const (
	// tripAfter is how many failures in a row open the circuit.
	tripAfter = 5
	// firstOpen is how long it stays open the first time; it doubles with every failed trial up to longestOpen.
	firstOpen   = time.Second
	longestOpen = 30 * time.Second
	// longestBlocked is longestOpen where the upstream answers, but not to some users: it may answer to others.
	longestBlocked = 10 * time.Second
	// whileTrying is the hint given while a trial is under way.
	whileTrying = time.Second
)

// CircuitState is the state of a project's circuit.
type CircuitState uint8

// The states. A closed circuit lets requests through.
const (
	// Closed: the upstream answers.
	Closed CircuitState = iota
	// HalfOpen: one request may try, or is trying, whether the upstream answers again.
	HalfOpen
	// Open: the upstream does not answer, and nothing is sent.
	Open
)

// String returns the state's name in lower case.
func (s CircuitState) String() string {
	switch s {
	case HalfOpen:
		return "half-open"
	case Open:
		return "open"
	default:
		return "closed"
	}
}

// circuit keeps requests away from an upstream that does not answer. It opens after failures in a row, or at once if the
// upstream is found to block this host, lets one request try after a while, and closes when that one is answered.
//
// It is written here and not taken from a library, since it has to go by the Client's clock, tell how long it will stay
// open (the caller's retry hint), and stay open longer each time; sony/gobreaker does none of these.
//
// The zero value is closed. The governor's mutex guards it.
type circuit struct {
	failures   int       // in a row, while closed
	trips      int       // in a row, without a success between
	until      time.Time // when a trial may start; zero: closed
	trying     bool      // a trial is under way
	generation uint64    // changes with every change of state; late results of an earlier one do not count
}

// refusal returns how long a request has to wait; 0 if it may go.
func (c *circuit) refusal(now time.Time) time.Duration {
	switch {
	case c.until.IsZero():
		return 0
	case !clock.Over(c.until, now):
		return clock.Left(c.until, now)
	case c.trying:
		return whileTrying
	}
	return 0
}

// enter counts a request in. It must follow a refusal of 0 under the same lock.
func (c *circuit) enter() (generation uint64) {
	if !c.until.IsZero() {
		c.generation++
		c.trying = true
	}
	return c.generation
}

// leave tells how the request of that generation went.
func (c *circuit) leave(generation uint64, o outcome, now time.Time) {
	if generation != c.generation {
		return
	}
	switch {
	case o == healthy:
		*c = circuit{generation: c.generation}
	case o == silent:
		c.trying = false
	case o == blocked:
		c.trip(now, longestBlocked)
	case c.trying:
		c.trip(now, longestOpen)
	default:
		if c.failures++; c.failures >= tripAfter {
			c.trip(now, longestOpen)
		}
	}
}

func (c *circuit) trip(now time.Time, longest time.Duration) {
	open := min(firstOpen<<min(c.trips, 8), longest)
	// Hosts that saw the same outage begin should not come back in step.
	open = open*9/10 + rand.N(open/5)
	*c = circuit{trips: c.trips + 1, until: now.Add(open), generation: c.generation + 1}
}

func (c *circuit) state(now time.Time) CircuitState {
	switch {
	case c.until.IsZero():
		return Closed
	case !clock.Over(c.until, now):
		return Open
	}
	return HalfOpen
}
