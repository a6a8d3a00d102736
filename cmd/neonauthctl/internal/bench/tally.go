package bench

import (
	"bytes"
	"math/bits"
	"time"
)

// tally is the measurement of one or more connections.
type tally struct {
	elapsed                     time.Duration
	accepted, rejected, unknown uint64
	bytesOut, bytesIn           uint64
	words                       map[string]uint64 // replies by reason or code
	latency                     histogram
}

func newTally() *tally { return &tally{words: map[string]uint64{}} }

func (t *tally) requests() uint64 { return t.accepted + t.rejected + t.unknown }

func (t *tally) rate() float64 { return float64(t.requests()) / t.elapsed.Seconds() }

func (t *tally) meanReply() int { return int(t.bytesIn / max(t.requests(), 1)) }

func (t *tally) meanRequest() int { return int(t.bytesOut / max(t.requests(), 1)) }

// book counts one reply by its first bytes.
func (t *tally) book(head []byte, took time.Duration, length int) {
	t.bytesIn += uint64(length)
	t.latency.add(took)
	if bytes.HasPrefix(head, []byte("OK ")) {
		t.accepted++
		return
	}
	status, rest, _ := bytes.Cut(head, []byte{' '})
	word, _, _ := bytes.Cut(rest, []byte{' '})
	if string(status) == "NO" {
		t.rejected++
	} else {
		t.unknown++
	}
	const most = 64 // a server that is not neonauthd must not fill the memory
	if _, known := t.words[string(word)]; known || len(t.words) < most {
		t.words[string(word)]++
	}
}

// merge adds the measurement of another connection in the same time.
func (t *tally) merge(other *tally) {
	t.accepted += other.accepted
	t.rejected += other.rejected
	t.unknown += other.unknown
	t.bytesIn += other.bytesIn
	t.bytesOut += other.bytesOut
	for word, n := range other.words {
		t.words[word] += n
	}
	t.latency.merge(&other.latency)
}

// add adds the measurement of the same connections at another time.
func (t *tally) add(other *tally) {
	t.elapsed += other.elapsed
	t.merge(other)
}

// histogram counts durations in buckets whose width grows: a bucket is at most
// 1/32 wider than the durations in it. The zero value is empty.
type histogram struct {
	counts [64 * subBuckets]uint64
	total  uint64
	most   time.Duration
}

const (
	subBits    = 5
	subBuckets = 1 << subBits
)

func (h *histogram) add(d time.Duration) {
	d = max(d, 0)
	h.counts[bucket(uint64(d))]++
	h.total++
	h.most = max(h.most, d)
}

// bucket returns the bucket of a duration in nanoseconds. Below 32 each value
// has its own bucket; above, each power of two is split into 32.
func bucket(ns uint64) int {
	if ns < subBuckets {
		return int(ns)
	}
	shift := bits.Len64(ns) - subBits - 1
	return (shift+1)<<subBits + int(ns>>shift)&(subBuckets-1)
}

// upper is the greatest duration in a bucket.
func upper(bucket int) time.Duration {
	if bucket < subBuckets {
		return time.Duration(bucket)
	}
	shift := bucket>>subBits - 1
	return time.Duration((uint64(bucket&(subBuckets-1)+subBuckets)+1)<<shift - 1)
}

func (h *histogram) merge(other *histogram) {
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.total += other.total
	h.most = max(h.most, other.most)
}

// quantile returns the duration that the share q of all durations does not
// exceed, to within 1/32; 0 if there are none.
func (h *histogram) quantile(q float64) time.Duration {
	if h.total == 0 {
		return 0
	}
	want := uint64(q * float64(h.total))
	var seen uint64
	for i, n := range h.counts {
		seen += n
		if seen > want || seen == h.total {
			return min(upper(i), h.most)
		}
	}
	return h.most
}
