package clock

import (
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/clock/clocktest"
)

const day = 24 * time.Hour

// told returns an upstream's answer to a question that took a second. The
// upstream's clock differs from the host's by off.
func told(c *clocktest.Clock, off time.Duration) Testimony {
	asked := c.Now()
	c.Advance(time.Second)
	return Testimony{Date: asked.Round(0).Add(off).Truncate(time.Second), Asked: asked, Answered: c.Now()}
}

func TestHowFarTheWallClockIsAheadOfAnUpstreams(t *testing.T) {
	at := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name  string
		date  time.Duration // all from at
		age   time.Duration
		asked time.Duration
		came  time.Duration
		want  time.Duration
	}{
		{"at once", 0, 0, 0, 0, 0},
		{"made when it was asked for", 0, 0, 0, 3 * time.Second, 0},
		{"made when it came", 3 * time.Second, 0, 0, 3 * time.Second, 0},
		{"the part of a second that Date leaves out", 0, 0, 0, 999 * time.Millisecond, 0},
		{"by more than the answer can have taken", 0, 0, 2 * time.Second, 3 * time.Second, time.Second},
		{"ahead", 0, 0, time.Hour, time.Hour + time.Second, time.Hour - time.Second},
		{"behind", time.Hour, 0, 0, time.Second, -time.Hour + time.Second},
		{"from a cache", -10 * time.Minute, 10 * time.Minute, 0, 0, 0},
		{"from a cache that says less", -10 * time.Minute, 5 * time.Minute, 0, 0, 5*time.Minute - time.Second},
	} {
		one := Testimony{Date: at.Add(c.date), Age: c.age, Asked: at.Add(c.asked), Answered: at.Add(c.came)}
		if ahead := one.Ahead(); ahead != c.want {
			t.Errorf("%s: ahead by %s, want %s", c.name, ahead, c.want)
		}
	}
}

// TestTheWallClockIsConfirmedByUpstreams: it is confirmed at most as far as
// both say, whatever either clock does afterwards.
func TestTheWallClockIsConfirmedByUpstreams(t *testing.T) {
	for _, s := range []struct {
		name string
		do   func(*clocktest.Clock, *Wall)
		ok   bool
		want time.Duration // from the right time at the start, within two seconds
	}{
		{"nothing heard", func(c *clocktest.Clock, _ *Wall) { c.Advance(day) }, false, 0},
		{"a step, and nothing heard", func(c *clocktest.Clock, _ *Wall) { c.Step(30 * day) }, false, 0},
		{"it agrees", func(c *clocktest.Clock, w *Wall) { w.Hear(told(c, 0)) }, true, 0},
		{"and time passes", func(c *clocktest.Clock, w *Wall) { w.Hear(told(c, 0)); c.Advance(day) }, true, day},
		{"wrong at the start, ahead", func(c *clocktest.Clock, w *Wall) { c.Step(30 * day); w.Hear(told(c, -30*day)) }, true, 0},
		{"wrong at the start, behind", func(c *clocktest.Clock, w *Wall) { c.Step(-30 * day); w.Hear(told(c, 30*day)) }, true, -30 * day},
		{"an upstream that is ahead", func(c *clocktest.Clock, w *Wall) { w.Hear(told(c, 30*day)) }, true, 0},
		{"a step ahead since", func(c *clocktest.Clock, w *Wall) { w.Hear(told(c, 0)); c.Step(30 * day) }, true, 0},
		{"a step back since", func(c *clocktest.Clock, w *Wall) { w.Hear(told(c, 0)); c.Step(-30 * day) }, true, -30 * day},
		{"a sleep since", func(c *clocktest.Clock, w *Wall) { w.Hear(told(c, 0)); c.Sleep(day) }, true, 0},
		{"a sleep, and heard again", func(c *clocktest.Clock, w *Wall) { w.Hear(told(c, 0)); c.Sleep(day); w.Hear(told(c, 0)) }, true, day},
		{"two that came in the other order", func(c *clocktest.Clock, w *Wall) {
			older := told(c, -day)
			w.Hear(told(c, 0))
			w.Hear(older)
		}, true, 0},
	} {
		t.Run(s.name, func(t *testing.T) {
			c, w := clocktest.New(), &Wall{}
			start := c.Now()
			s.do(c, w)
			at, ok := w.Confirmed(c.Now())
			if ok != s.ok {
				t.Fatalf("ok %v, want %v", ok, s.ok)
			}
			if off := at.Sub(start.Round(0)) - s.want; ok && (off < -2*time.Second || off > 2*time.Second) {
				t.Errorf("confirmed up to %s from the start, want %s", at.Sub(start.Round(0)), s.want)
			}
		})
	}
}

// TestNothingHasPassedBeforeItCertainlyHas looks at something that is kept for
// 30 days, 29 of which have passed when the process reads it.
func TestNothingHasPassedBeforeItCertainlyHas(t *testing.T) {
	for _, s := range []struct {
		name string
		do   func(*clocktest.Clock, *Wall)
		want bool
	}{
		{"a start", func(*clocktest.Clock, *Wall) {}, false},
		{"a start with a clock 30 days ahead", func(c *clocktest.Clock, _ *Wall) { c.Step(30 * day) }, false},
		{"a clock 30 days ahead for 29 days", func(c *clocktest.Clock, _ *Wall) { c.Step(30 * day); c.Advance(29 * day) }, false},
		{"a clock 30 days ahead that an upstream contradicts", func(c *clocktest.Clock, w *Wall) { c.Step(30 * day); w.Hear(told(c, -30*day)) }, false},
		{"an upstream 30 days ahead that the clock contradicts", func(c *clocktest.Clock, w *Wall) { w.Hear(told(c, 30*day)) }, false},
		{"a sleep that no upstream confirms", func(c *clocktest.Clock, w *Wall) { w.Hear(told(c, 0)); c.Sleep(2 * day) }, false},
		{"a clock that was set back, for the whole term", func(c *clocktest.Clock, _ *Wall) { c.Step(-40 * day); c.Advance(30 * day) }, false},

		{"the last day, which an upstream confirms", func(c *clocktest.Clock, w *Wall) { c.Advance(day + time.Minute); w.Hear(told(c, 0)) }, true},
		{"the last day after an upstream has told the time", func(c *clocktest.Clock, w *Wall) { w.Hear(told(c, 0)); c.Advance(day + time.Minute) }, true},
		{"a sleep that an upstream confirms", func(c *clocktest.Clock, w *Wall) { c.Sleep(2 * day); w.Hear(told(c, 0)) }, true},
		{"the whole term, without an upstream", func(c *clocktest.Clock, _ *Wall) { c.Advance(30 * day) }, true},
	} {
		t.Run(s.name, func(t *testing.T) {
			c, w := clocktest.New(), &Wall{}
			read := c.Now()
			until := read.Round(0).Add(day)
			s.do(c, w)
			if got := w.Passed(until, read, 30*day, c.Now()); got != s.want {
				t.Errorf("passed %v, want %v", got, s.want)
			}
		})
	}
}
