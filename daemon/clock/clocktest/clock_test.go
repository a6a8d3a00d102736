package clocktest

import (
	"testing"
	"testing/synctest"
	"time"
)

const year = 365 * 24 * time.Hour

// TestTheReadingsMoveApart holds the clock, and package time's layout, to what
// the tests of other packages rely on.
func TestTheReadingsMoveApart(t *testing.T) {
	c := New()
	start := c.Now()
	if d := time.Since(start.Round(0)); d < 0 || d > time.Hour {
		t.Errorf("the clock begins %s ago", d)
	}
	for _, s := range []struct {
		name             string
		do               func()
		monotonic, walls time.Duration // since the start
		right            time.Duration
	}{
		{"nothing yet", func() {}, 0, 0, 0},
		{"time passes", func() { c.Advance(time.Minute) }, time.Minute, time.Minute, time.Minute},
		{"a step ahead", func() { c.Step(time.Hour) }, time.Minute, time.Hour + time.Minute, time.Minute},
		{"a step back", func() { c.Step(-2 * time.Hour) }, time.Minute, -time.Hour + time.Minute, time.Minute},
		{"far back", func() { c.Step(-50 * year) }, time.Minute, -time.Hour + time.Minute - 50*year, time.Minute},
		{"far ahead", func() { c.Step(70 * year) }, time.Minute, -time.Hour + time.Minute + 20*year, time.Minute},
		{"and right again", func() { c.Step(time.Hour - 20*year) }, time.Minute, time.Minute, time.Minute},
		{"a sleep", func() { c.Sleep(8 * time.Hour) }, time.Minute, 8*time.Hour + time.Minute, 8*time.Hour + time.Minute},
		{"time passes again", func() { c.Advance(time.Second) }, time.Minute + time.Second, 8*time.Hour + time.Minute + time.Second, 8*time.Hour + time.Minute + time.Second},
	} {
		s.do()
		wantPassed(t, s.name, start, c.Now(), s.monotonic, s.walls)
		if d := c.Right().Sub(start.Round(0)); d != s.right {
			t.Errorf("%s: %s have passed by everybody else's clock, want %s", s.name, d, s.right)
		}
	}
}

func TestAFollowingClockGoesWithTheBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := Following()
		start := c.Now()
		if !start.Equal(time.Now()) {
			t.Errorf("it shows %s, the bubble %s", start, time.Now())
		}
		c.Sleep(time.Hour)
		time.Sleep(time.Minute)
		wantPassed(t, "a sleep and a minute", start, c.Now(), time.Minute, time.Hour+time.Minute)
	})
}

func wantPassed(t *testing.T, what string, start, now time.Time, monotonic, walls time.Duration) {
	t.Helper()
	if d := now.Sub(start); d != monotonic {
		t.Errorf("%s: %s have passed by the monotonic clock, want %s", what, d, monotonic)
	}
	if d := now.Round(0).Sub(start.Round(0)); d != walls {
		t.Errorf("%s: %s have passed by the wall clock, want %s", what, d, walls)
	}
	later := now.Add(-90 * time.Minute)
	if later.Sub(now) != -90*time.Minute || later.Round(0).Sub(now.Round(0)) != -90*time.Minute {
		t.Errorf("%s: adding to the instant does not move both readings", what)
	}
}
