package cache

import "math/bits"

// Overhead is the number of bytes that the cache adds to the cost of each entry: what an entry takes beyond its value,
// measured with a million of them (BenchmarkMemoryPerEntry), and a margin.
const Overhead = 320

// limits divides MaxBytes. All fields but counters are in bytes.
type limits struct {
	max      int64 // MaxBytes
	fixed    int64 // tables that do not grow
	window   int64 // of the newest entries, unless a single one is larger
	kept     int64 // what ristretto may keep
	behind   int64 // above this, Set waits until ristretto has decided
	held     int64 // above this, ristretto is offered nothing until it has evicted
	entry    int64 // largest entry
	counters int64 // of ristretto's popularity sketch
}

// newLimits divides maxBytes into the fixed tables and 50 parts for entries: 38 are ristretto's, 4 are for what it has yet
// to decide on, 4 for one largest entry that comes on top of these, and 4 for the window, which is 3 unless a single
// entry overfills it. So the sum holds whenever no Set is under way, not only when ristretto's queue is empty.
func newLimits(maxBytes int64) limits {
	l := limits{max: maxBytes, counters: max(maxBytes/128, 1024)}
	// Ristretto's queue, its shards and ours; then four rows of half a byte per counter, and a filter of about ten
	// bits per counter, each rounded up to a power of two.
	l.fixed = 384<<10 + 2*ceilPower(l.counters) + ceilPower(l.counters*10)/8
	part := (maxBytes - l.fixed) / 50
	l.window = 3 * part
	l.kept = 38 * part
	l.behind = 40 * part
	l.held = 42 * part
	l.entry = 4 * part
	return l
}

// ceilPower is the smallest power of two that is not below n.
func ceilPower(n int64) int64 {
	return 1 << bits.Len64(uint64(n-1))
}
