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
	// HitSample is how many answers from memory there are for each timed one, because an answer takes about as long
	// as reading the clock a few times.
	HitSample = 64
	// LatencyName is the name of the metric that Latency writes.
	LatencyName = "neonauthd_lookup_duration_seconds"
	// recentTime is how far Recent looks back.
	recentTime = time.Minute

	bucketCount = 21
)

// bucketBounds returns the longest time of each bucket of a histogram. One more bucket
// is for longer times.
func bucketBounds() [bucketCount]time.Duration {
	const us, ms, s = time.Microsecond, time.Millisecond, time.Second
	return [...]time.Duration{
		us, 2 * us, 5 * us, 10 * us, 20 * us, 50 * us, 100 * us, 200 * us, 500 * us,
		ms, 2 * ms, 5 * ms, 10 * ms, 20 * ms, 50 * ms, 100 * ms, 200 * ms, 500 * ms, s, 2 * s, 5 * s,
	}
}

// Latency times lookups from the parsed line to the reply. The zero value has timed
// none. It is safe for concurrent use.
type Latency struct {
	hits, misses histogram

	mu    sync.Mutex
	marks []latencyMark // oldest first
}

// latencyMark is a reading of the histograms.
type latencyMark struct {
	at           time.Time
	hits, misses tally
}

// Spread is how long lookups took: half of them took at most P50, and 99 of 100 at most
// P99, as precisely as the buckets tell. The zero value: there were none.
type Spread struct{ P50, P99 time.Duration }

// Write writes the histograms in Prometheus' text format, without their head.
func (l *Latency) Write(w io.Writer) {
	l.hits.write(w, `memory="hit"`)
	l.misses.write(w, `memory="miss"`)
}

// Mark remembers a reading of the histograms, for Recent. It is called from time to time.
func (l *Latency) Mark(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.marks = append(l.marks, latencyMark{now, l.hits.read(), l.misses.read()})
	for len(l.marks) > 1 && now.Sub(l.marks[1].at) >= recentTime {
		l.marks = l.marks[1:]
	}
}

// Recent returns how long lookups of about the last recentTime took: all of them, those
// from memory, and the others.
func (l *Latency) Recent() (all, hits, misses Spread) {
	l.mu.Lock()
	hit, miss := l.hits.read(), l.misses.read() // with the lock held, so that no mark is newer
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

// sample returns the current time if an answer is to be timed, and zero for most
// answers.
func (l *Latency) sample() time.Time {
	if rand.Uint32()%HitSample != 0 {
		return time.Time{}
	}
	return time.Now()
}

// hit adds an answer from memory that sample chose; for other answers began is zero.
func (l *Latency) hit(began time.Time) {
	if !began.IsZero() {
		l.hits.add(time.Since(began))
	}
}

// miss adds an answer that was not in memory.
func (l *Latency) miss(began time.Time) { l.misses.add(time.Since(began)) }

// tally has the number of lookups in each bucket.
type tally [bucketCount + 1]uint64

// histogram counts times. It is safe for concurrent use.
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

// write writes the histogram in Prometheus' text format.
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

func (t *tally) since(before *tally) (now tally) {
	for i := range now {
		now[i] = t[i] - before[i]
	}
	return now
}

func (t *tally) spread() Spread { return Spread{t.quantile(.5), t.quantile(.99)} }

// quantile returns the time that this share of the lookups took at most. It assumes that
// the lookups of one bucket are spread evenly over the bucket.
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
	return lower // the last bucket has no upper bound
}
