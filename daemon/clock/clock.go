// Package clock has the daemon's rules of time, for a host whose clock may be set,
// may be wrong at the start, and whose monotonic clock stands still while the host
// sleeps.
//
// The package reads no clock. Its callers pass every instant, with the two
// readings that time.Now gives: the reading of the wall clock, which can be set,
// and of the monotonic clock, which on Linux does not count suspension
// (CLOCK_MONOTONIC, clock_gettime(2)). Neither can be trusted alone. So these
// rules hold in the whole daemon:
//
//   - The age of something is measured by the clock that says more ([Elapsed]), and a
//     deadline is over when either clock says so ([Over], [Left]). A step ahead or a
//     sleep makes things old too early, which costs a question to the upstream. Nothing
//     makes them younger.
//   - exp and similar claims are instants of the wall clock. What is kept until such an
//     instant has a deadline with both readings. So a wall clock that is set back does
//     not prolong it: after the deadline the token is judged again.
//   - What only a right clock may do, such as forgetting a revocation, waits for a
//     [Wall] that was confirmed.
//
// An instant from a file or from the network has no monotonic reading. For such an
// instant only the wall clock counts.
package clock

import "time"

// Elapsed returns how much time has passed since then, by the clock that says
// more. It is below zero only if both clocks say so.
func Elapsed(since, now time.Time) time.Duration {
	return max(now.Sub(since), wallSub(now, since))
}

// Awake returns how much time this process has certainly seen pass: the time by
// the monotonic clock, which does not count the time that the host slept. It is
// for things that must not end too early, and for telling people how long
// something took.
func Awake(since, now time.Time) time.Duration { return now.Sub(since) }

// Over reports whether either clock has reached the deadline. A deadline is made
// with Add from an instant that has both readings.
func Over(deadline, now time.Time) bool {
	return !now.Before(deadline) || !now.Round(0).Before(deadline.Round(0))
}

// Left returns the time until the deadline, by the clock that says less; 0 when
// the deadline is over.
func Left(deadline, now time.Time) time.Duration {
	return max(0, min(deadline.Sub(now), wallSub(deadline, now)))
}

// Jump returns how much further the wall clock went than the monotonic clock
// between two instants: above zero after a sleep or a step ahead, below zero after
// a step back.
func Jump(before, now time.Time) time.Duration {
	return wallSub(now, before) - now.Sub(before)
}

// wallSub returns the difference a - b of the wall clock's readings. Each hit
// needs several such differences, and Time.Sub, which also has to saturate, costs
// three times as much.
func wallSub(a, b time.Time) time.Duration {
	const century = 100 * 366 * 24 * 60 * 60
	seconds := a.Unix() - b.Unix()
	if seconds > century || seconds < -century {
		return a.Round(0).Sub(b.Round(0))
	}
	return time.Duration(seconds)*time.Second + time.Duration(a.Nanosecond()-b.Nanosecond())
}
