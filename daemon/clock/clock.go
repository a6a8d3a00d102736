// Package clock is the daemon's notion of time on a host whose clock may be
// stepped, may be wrong at the start, and whose monotonic clock stands still
// while the host sleeps.
//
// It asks no clock. Every instant is handed in and has the two readings that
// time.Now gives: the wall clock's, which can be set, and the monotonic one's,
// which on Linux does not count suspension (CLOCK_MONOTONIC, clock_gettime(2)).
// Neither can be trusted alone, so there is one rule for all of the daemon:
//
//   - what bounds the age of something goes by the clock that says more
//     ([Elapsed]), and a deadline is over when either clock says so ([Over],
//     [Left]). A step ahead or a sleep makes things old too early, which costs a
//     question to the upstream; nothing makes them young;
//   - exp and its like are instants of the wall clock. What is kept until then has
//     a deadline with both readings, so that a wall clock that is set back
//     prolongs nothing that is kept: afterwards the token is judged anew;
//   - what only a right clock may do, such as to forget a revocation, waits for
//     a [Wall] that was confirmed.
//
// An instant that came from a file or from the network has no monotonic reading.
// Then the wall clock alone is asked.
package clock

import "time"

// Elapsed is how much time has passed since then, by the clock that says more.
// It is below zero only if both say so.
func Elapsed(since, now time.Time) time.Duration {
	return max(now.Sub(since), wallSub(now, since))
}

// Awake is how much time this process has surely seen pass: by the monotonic
// clock alone, so without the time that the host slept. It is for what must not
// end too early, and for telling people how long something took.
func Awake(since, now time.Time) time.Duration { return now.Sub(since) }

// Over reports whether the deadline has come, by either clock. At this very
// instant it has. A deadline is made with Add of an instant that has both
// readings.
func Over(deadline, now time.Time) bool {
	return !now.Before(deadline) || !now.Round(0).Before(deadline.Round(0))
}

// Left is the time until the deadline, by the clock that says less; 0 when it is
// over.
func Left(deadline, now time.Time) time.Duration {
	return max(0, min(deadline.Sub(now), wallSub(deadline, now)))
}

// Jump is how much further the wall clock went than the monotonic one between
// two instants: above zero after a sleep or a step ahead, below after a step
// back.
func Jump(before, now time.Time) time.Duration {
	return wallSub(now, before) - now.Sub(before)
}

// wallSub is the difference a - b of the wall clock's readings. Each hit takes
// several; Time.Sub, which also has to saturate, costs three times as much.
func wallSub(a, b time.Time) time.Duration {
	const century = 100 * 366 * 24 * 60 * 60
	seconds := a.Unix() - b.Unix()
	if seconds > century || seconds < -century {
		return a.Round(0).Sub(b.Round(0))
	}
	return time.Duration(seconds)*time.Second + time.Duration(a.Nanosecond()-b.Nanosecond())
}
