package clock

import (
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/clock/clocktest"
)

// moves are the ways in which a host's clock can move in ten minutes, and what
// the two readings say afterwards.
func moves() map[string]struct {
	move            func(*clocktest.Clock)
	elapsed, jumped time.Duration
} {
	type row = struct {
		move            func(*clocktest.Clock)
		elapsed, jumped time.Duration
	}
	const ran = 10 * time.Minute
	return map[string]row{
		"time passes":       {func(*clocktest.Clock) {}, ran, 0},
		"a step ahead":      {func(c *clocktest.Clock) { c.Step(time.Hour) }, ran + time.Hour, time.Hour},
		"a step far ahead":  {func(c *clocktest.Clock) { c.Step(10000 * time.Hour) }, ran + 10000*time.Hour, 10000 * time.Hour},
		"a step back":       {func(c *clocktest.Clock) { c.Step(-time.Hour) }, ran, -time.Hour},
		"a step far back":   {func(c *clocktest.Clock) { c.Step(-10000 * time.Hour) }, ran, -10000 * time.Hour},
		"a sleep":           {func(c *clocktest.Clock) { c.Sleep(8 * time.Hour) }, ran + 8*time.Hour, 8 * time.Hour},
		"ahead and back":    {func(c *clocktest.Clock) { c.Step(time.Hour); c.Step(-time.Hour) }, ran, 0},
		"back, and a sleep": {func(c *clocktest.Clock) { c.Step(-time.Hour); c.Sleep(3 * time.Hour) }, ran + 2*time.Hour, 2 * time.Hour},
	}
}

func TestWhatHasElapsedIsWhatTheClockThatSaysMoreSays(t *testing.T) {
	for name, m := range moves() {
		t.Run(name, func(t *testing.T) {
			c := clocktest.New()
			since := c.Now()
			c.Advance(10 * time.Minute)
			m.move(c)
			now := c.Now()
			if d := Elapsed(since, now); d != m.elapsed {
				t.Errorf("elapsed: %s, want %s", d, m.elapsed)
			}
			if d := Awake(since, now); d != 10*time.Minute {
				t.Errorf("awake: %s, want 10m", d)
			}
			if d := Jump(since, now); d != m.jumped {
				t.Errorf("jump: %s, want %s", d, m.jumped)
			}
			// The last instant before the deadline, the deadline itself, and
			// the first instant after it.
			for _, off := range []time.Duration{-1, 0, 1} {
				deadline := since.Add(m.elapsed + off)
				if over := Over(deadline, now); over != (off <= 0) {
					t.Errorf("a deadline %d ns from now: over %v", off, over)
				}
				if left := Left(deadline, now); left != max(0, off) {
					t.Errorf("a deadline %d ns from now: %s are left", off, left)
				}
			}
		})
	}
}

// TestInstantsFromElsewhereGoByTheWallClock: instants from a file or a header.
func TestInstantsFromElsewhereGoByTheWallClock(t *testing.T) {
	c := clocktest.New()
	saved := c.Now().Round(0).Add(-time.Hour)
	c.Advance(time.Minute)
	c.Step(-10 * time.Minute)
	if d := Elapsed(saved, c.Now()); d != 51*time.Minute {
		t.Errorf("elapsed: %s, want 51m", d)
	}
	if left := Left(c.Now().Round(0).AddDate(8000, 0, 0), c.Now()); left < 200*365*24*time.Hour {
		t.Errorf("in eight thousand years: %s are left", left)
	}
	if !Over(saved.Add(51*time.Minute), c.Now()) || Over(saved.Add(52*time.Minute), c.Now()) {
		t.Error("a deadline of the wall clock is over at another instant")
	}
}
