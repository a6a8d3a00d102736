package cache

import (
	"sync"
	"sync/atomic"

	"github.com/dgraph-io/ristretto/v2"
)

// policy wraps one ristretto cache, which decides which entries are worth their bytes. It is never asked for a value:
// its only answer is a callback for each entry that it drops.
//
// This file follows from the behaviour of ristretto v2.4.2:
//
//   - Set and Get never block. Del blocks while the queue is full, so Del is called without a lock of this package.
//   - OnExit is called once for each stored value that leaves, with nil if Del finds nothing, and inside Set if a value
//     is replaced.
//   - Close must not run together with any other call.
//   - Clear calls back under a lock of ristretto, so Purge replaces the policy instead.
//   - Expiry is not used: a step of the wall clock makes its sweeper hold a lock for seconds.
type policy[V any] struct {
	cache *ristretto.Cache[uint64, *entry[V]]
	// held is the cost in bytes of all entries that ristretto references: stored ones and those in its queue.
	held atomic.Int64
	// retired is set before the policy is replaced: its callbacks must not take Cache.mu any more.
	retired atomic.Bool

	releasing sync.RWMutex // read-held during Del and Wait, so that close waits for them
	closed    bool         // guarded by releasing
}

// noSweep keeps ristretto's expiry sweeper from running: in seconds, nearly the longest time that a Duration can hold.
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

// touch reports a hit. It never blocks: a busy ristretto drops the report.
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

// release makes ristretto drop its entries of the hashes. It may wait for room in ristretto's queue, and calls back:
// not under Cache.mu. An entry that was offered for the same hash meanwhile may be dropped too.
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

// catchUp waits until ristretto has decided on all entries that it was offered. Not under Cache.mu.
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
