package cache

import (
	"math/bits"
	"sync"
	"sync/atomic"

	"github.com/dgraph-io/ristretto/v2"
)

// policy wraps one ristretto cache, which decides what is worth its bytes. It is never asked for a value: its answer
// is the callback when it lets go of an entry.
//
// What ristretto does that shapes this file (v2.4.2): Set, Get and their kin never block, Del blocks while the queue
// is full, so it is called without any lock of ours; OnExit is called once for each stored value that leaves, with
// nil when Del finds nothing, and inside Set when a value is replaced; Close must not run together with any other
// call; Clear calls back under a lock of ristretto's own, so purging replaces the policy instead; expiry is left
// unused, because a step of the wall clock makes its sweeper hold a lock for seconds.
type policy[V any] struct {
	cache *ristretto.Cache[uint64, *entry[V]]
	// held is the cost in bytes of all entries that ristretto references: stored ones and those in its queue.
	held atomic.Int64
	// retired is set before the policy is replaced: its callbacks must not take Cache.mu any more.
	retired atomic.Bool

	releasing sync.RWMutex // read-held during Del and Wait, so that close waits for them
	closed    bool         // guarded by releasing
}

// noSweep keeps ristretto's expiry sweeper from ever running: seconds, as long as a Duration can hold.
const noSweep = 1 << 32

// newPolicy starts a ristretto cache for c.
func (c *Cache[V]) newPolicy() (*policy[V], error) {
	p := &policy[V]{}
	cache, err := ristretto.NewCache(&ristretto.Config[uint64, *entry[V]]{
		NumCounters:            c.limits.counters,
		MaxCost:                c.limits.kept,
		BufferItems:            64,
		IgnoreInternalCost:     true, // our costs include it
		TtlTickerDurationInSec: noSweep,
		KeyToHash:              func(hash uint64) (uint64, uint64) { return hash, 0 },
		OnEvict: func(item *ristretto.Item[*entry[V]]) {
			if item.Value != nil && !p.retired.Load() {
				c.evicted.Add(1)
			}
		},
		OnReject: func(item *ristretto.Item[*entry[V]]) {
			if !p.retired.Load() {
				c.refused.Add(1)
			}
		},
		OnExit: func(e *entry[V]) {
			if e == nil {
				return
			}
			p.held.Add(-e.cost)
			if !p.retired.Load() {
				c.left(p, e)
			}
		},
	})
	p.cache = cache
	return p, err
}

// touch tells of a hit. It never blocks; when ristretto is busy it forgets.
func (p *policy[V]) touch(hash uint64) {
	p.cache.Get(hash)
}

// offer hands e over and reports whether ristretto took it for consideration. Under Cache.mu: if ristretto still stores
// an older entry of this hash, that entry is no longer in the index, so the callback does not ask for Cache.mu.
func (p *policy[V]) offer(hash uint64, e *entry[V]) bool {
	p.held.Add(e.cost)
	if p.cache.Set(hash, e, e.cost) {
		return true
	}
	p.held.Add(-e.cost)
	return false
}

// release makes ristretto let go of what it holds for the hashes. It may wait for room in ristretto's queue, and calls
// back: not under Cache.mu. An entry offered for the same hash meanwhile may go too.
func (p *policy[V]) release(hashes []uint64) {
	if len(hashes) == 0 {
		return
	}
	p.releasing.RLock()
	defer p.releasing.RUnlock()
	for _, hash := range hashes {
		if p.closed {
			return
		}
		p.cache.Del(hash)
	}
}

// catchUp waits until ristretto has decided on all that it was offered. Not under Cache.mu.
func (p *policy[V]) catchUp() {
	p.releasing.RLock()
	defer p.releasing.RUnlock()
	if !p.closed {
		p.cache.Wait()
	}
}

// close ends a retired policy that no shard refers to any more. Not under Cache.mu.
func (p *policy[V]) close() {
	p.retired.Store(true)
	p.releasing.Lock()
	defer p.releasing.Unlock()
	p.closed = true
	p.cache.Close()
}

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
