package serve

import (
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// HitSample is how many answers from memory go by for each that is timed: an answer
	// takes about as long as looking at the clock a few times.
	HitSample = 64
	// LatencyName is the name of the metric that Latency writes.
	LatencyName = "neonauthd_lookup_duration_seconds"
	// RecentTime is how far Recent looks back.
	RecentTime = time.Minute

	bucketCount = 21
)

// bucketBounds are the longest times that the buckets of a histogram hold. Another
// bucket holds what takes longer than the last.
func bucketBounds() [bucketCount]time.Duration {
	const us, ms, s = time.Microsecond, time.Millisecond, time.Second
	return [...]time.Duration{
		us, 2 * us, 5 * us, 10 * us, 20 * us, 50 * us, 100 * us, 200 * us, 500 * us,
		ms, 2 * ms, 5 * ms, 10 * ms, 20 * ms, 50 * ms, 100 * ms, 200 * ms, 500 * ms, s, 2 * s, 5 * s,
	}
}

// tally is a number of times for each bucket.
type tally [bucketCount + 1]uint64

// histogram counts times. Safe for concurrent use.
type histogram struct {
	counts [bucketCount + 1]atomic.Uint64
	sum    atomic.Int64
}

func (h *histogram) add(d time.Duration) {
	bounds := bucketBounds()
	i, _ := slices.BinarySearch(bounds[:], d)
	h.counts[i].Add(1)
	h.sum.Add(int64(d))
}

func (h *histogram) read() (t tally) {
	for i := range h.counts {
		t[i] = h.counts[i].Load()
	}
	return t
}

// write writes the histogram as Prometheus reads it.
func (h *histogram) write(w io.Writer, label string) {
	var all uint64
	bounds := bucketBounds()
	for i, n := range h.read() {
		all += n
		le := "+Inf"
		if i < bucketCount {
			le = fmt.Sprint(bounds[i].Seconds())
		}
		fmt.Fprintf(w, "%s_bucket{%s,le=%q} %d\n", LatencyName, label, le, all)
	}
	fmt.Fprintf(w, "%s_sum{%s} %v\n%s_count{%s} %d\n", LatencyName, label, time.Duration(h.sum.Load()).Seconds(), LatencyName, label, all)
}

// Latency times lookups from the parsed line to the reply. Its zero value has timed
// none. Safe for concurrent use.
type Latency struct {
	hits, misses histogram

	mu    sync.Mutex
	marks []latencyMark // the oldest first
}

// latencyMark is what had been counted at an instant.
type latencyMark struct {
	at           time.Time
	hits, misses tally
}

// Write writes the histograms in Prometheus' text format, without their head.
func (l *Latency) Write(w io.Writer) {
	l.hits.write(w, `memory="hit"`)
	l.misses.write(w, `memory="miss"`)
}

// sample returns the beginning of an answer that is to be timed, and zero for
// most.
func (l *Latency) sample() time.Time {
	if rand.Uint32()%HitSample != 0 {
		return time.Time{}
	}
	return time.Now()
}

// hit enters an answer from memory that sample chose.
func (l *Latency) hit(began time.Time) {
	if !began.IsZero() {
		l.hits.add(time.Since(began))
	}
}

// miss enters an answer that memory did not have.
func (l *Latency) miss(began time.Time) { l.misses.add(time.Since(began)) }

// Mark remembers what was counted by now, for Recent. It is called now and then.
func (l *Latency) Mark(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.marks = append(l.marks, latencyMark{now, l.hits.read(), l.misses.read()})
	for len(l.marks) > 1 && now.Sub(l.marks[1].at) >= RecentTime {
		l.marks = l.marks[1:]
	}
}

// Spread is how long lookups took: half of them P50 at most, 99 of 100 P99 at most, as
// exactly as the buckets tell. Zero: there were none.
type Spread struct{ P50, P99 time.Duration }

// Recent returns how long lookups of about the last RecentTime took: all of them, those
// that memory answered, and the others.
func (l *Latency) Recent() (all, hits, misses Spread) {
	l.mu.Lock()
	hit, miss := l.hits.read(), l.misses.read() // with the lock held: no mark is newer
	if len(l.marks) > 0 {
		hit, miss = hit.since(&l.marks[0].hits), miss.since(&l.marks[0].misses)
	}
	l.mu.Unlock()
	var both tally
	for i := range both {
		both[i] = HitSample*hit[i] + miss[i]
	}
	return both.spread(), hit.spread(), miss.spread()
}

func (t *tally) since(before *tally) (now tally) {
	for i := range now {
		now[i] = t[i] - before[i]
	}
	return now
}

func (t *tally) spread() Spread { return Spread{t.quantile(.5), t.quantile(.99)} }

// quantile is the time that a share of the lookups took at most, supposing that those of
// one bucket are spread evenly over it.
func (t *tally) quantile(share float64) time.Duration {
	var all uint64
	for _, n := range t {
		all += n
	}
	if all == 0 {
		return 0
	}
	left, lower := share*float64(all), time.Duration(0)
	for i, upper := range bucketBounds() {
		if n := float64(t[i]); n >= left {
			return lower + time.Duration(left/n*float64(upper-lower))
		}
		left, lower = left-float64(t[i]), upper
	}
	return lower // or longer
}
