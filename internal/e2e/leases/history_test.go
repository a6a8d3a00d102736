package leases_test

import (
	"bufio"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// window is the longest duration of a run. A token stays revoked, or not revoked, for at least twice as long; see run.
const window = 50 * time.Millisecond

// now returns the time in nanoseconds, from the clock that all processes of the host share.
func now() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic(err)
	}
	return ts.Nano()
}

// span says when something began and when it had ended.
type span struct{ begin, end int64 }

// run is a series of lookups by one caller about one token, one after the other, with one outcome, within a window.
// Every revocation lasts for two windows or more. So it is enough to check the first and the last lookup of a run: if
// the first begins before REVOKE has returned, the last one ends before UNREVOKE begins.
type run struct {
	token       int
	outcome     string
	count       int64
	first, last span
}

// runs gathers the runs of one caller.
type runs struct {
	open map[int]*run
	tell func(run)
}

// add adds a lookup.
func (r *runs) add(token int, outcome string, s span) {
	if old := r.open[token]; old != nil {
		if old.outcome == outcome && s.end-old.first.begin <= window.Nanoseconds() {
			old.count++
			old.last = s
			return
		}
		r.tell(*old)
	}
	r.open[token] = &run{token: token, outcome: outcome, count: 1, first: s, last: s}
}

// end reports the runs that are still open.
func (r *runs) end() {
	for _, open := range r.open {
		r.tell(*open)
	}
}

// line returns a run as the asking programs of all languages write it.
func (r run) line() string {
	return fmt.Sprintf("%d %s %d %d %d %d %d\n", r.token, r.outcome, r.count, r.first.begin, r.first.end, r.last.begin, r.last.end)
}

// parseRuns reads the output of an asking program.
func parseRuns(text string) (all []run, err error) {
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		var r run
		if _, err := fmt.Sscan(lines.Text(), &r.token, &r.outcome, &r.count, &r.first.begin, &r.first.end, &r.last.begin, &r.last.end); err != nil {
			return nil, fmt.Errorf("%q: %w", lines.Text(), err)
		}
		all = append(all, r)
	}
	return all, lines.Err()
}
