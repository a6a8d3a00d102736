package cache

import (
	"sync"
	"sync/atomic"
	"time"
)

// shardCount is the number of index shards: enough that readers on different cores seldom meet.
const shardCount = 256

const (
	sweepPerSet = 2   // entries looked at per Set: more than one, so that sweeping gains on filling
	sweepBatch  = 256 // entries looked at per hold of the lock in Sweep
)

// shard is a part of the index, by hash. Its size is two cache lines so that neighbours do not disturb each other.
type shard[V any] struct {
	mu      sync.RWMutex
	entries map[uint64]*entry[V]
	policy  *policy[V]
	hits    atomic.Uint64
	misses  atomic.Uint64
	_       [72]byte
}

// reset empties the index and replaces the old policy by policy (nil: closed). It returns the old policy for closing:
// only late releases still use the old policy. Under c.mu, or in New.
func (c *Cache[V]) reset(policy *policy[V]) *policy[V] {
	old := c.policy
	if old != nil {
		old.retired.Store(true)
	}
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		s.entries = nil
		if policy != nil {
			s.entries = make(map[uint64]*entry[V])
		}
		s.policy = policy
		s.mu.Unlock()
	}
	c.policy = policy
	c.window, c.kept = list[V]{}, list[V]{}
	c.groups = make(groups[V])
	return old
}

// store makes e the entry of its key: in the index, the newest of its group and of the window. The functions below
// run under c.mu, and append to freed the hashes that the policy must be told to release after c.mu is free again:
// the release may wait for the policy, whose callbacks wait for c.mu.
func (c *Cache[V]) store(e *entry[V], freed []uint64) []uint64 {
	hash := c.hash(&e.key)
	s := &c.shards[hash%shardCount]
	s.mu.Lock()
	old := s.entries[hash]
	s.entries[hash] = e
	s.mu.Unlock()

	if old != nil {
		freed = c.unlink(old, hash, freed)
	}
	c.window.pushBack(e)
	if c.groups.add(e) > c.perGroup {
		c.counters.capped++
		freed = c.drop(c.groups.oldest(e), freed)
	}
	return freed
}

// remove takes the entry of k out, if there is one.
func (c *Cache[V]) remove(k *Key, freed []uint64) []uint64 {
	hash := c.hash(k)
	s := &c.shards[hash%shardCount]
	s.mu.RLock()
	e := s.entries[hash]
	s.mu.RUnlock()
	if e == nil || e.key != *k {
		return freed
	}
	return c.drop(e, freed)
}

// drop takes e, which is in the index, out of the index, its list and its group.
func (c *Cache[V]) drop(e *entry[V], freed []uint64) []uint64 {
	hash := c.hash(&e.key)
	s := &c.shards[hash%shardCount]
	s.mu.Lock()
	delete(s.entries, hash)
	s.mu.Unlock()
	return c.unlink(e, hash, freed)
}

// unlink takes e, which has just left the index, out of its list and its group.
func (c *Cache[V]) unlink(e *entry[V], hash uint64, freed []uint64) []uint64 {
	if e.state.Load() == inWindow {
		c.window.remove(e)
	} else {
		c.kept.remove(e)
		freed = append(freed, hash)
	}
	c.groups.remove(e)
	e.state.Store(isGone)
	return freed
}

// trim moves the oldest entries of an overfull window to the policy. The newest entry always stays.
func (c *Cache[V]) trim(now time.Duration) {
	for c.window.bytes > c.limits.window && c.window.len > 1 {
		e := c.window.front
		switch {
		case now >= e.expires:
			c.counters.expired++
			c.drop(e, nil)
		case c.policy.held.Load() > c.limits.held:
			// The policy has fallen behind its evictions: the bound counts more than this entry.
			c.counters.rejected++
			c.drop(e, nil)
		default:
			c.window.remove(e)
			c.kept.pushBack(e)
			e.state.Store(isKept)
			if !c.policy.offer(c.hash(&e.key), e) {
				c.counters.rejected++
				c.drop(e, nil) // The policy's queue is full: it has nothing to release.
			}
		}
	}
}

// sweep looks at the next n kept entries and drops those that have expired.
func (c *Cache[V]) sweep(now time.Duration, n int, freed []uint64) []uint64 {
	for ; n > 0 && c.kept.front != nil; n-- {
		e := c.kept.front
		if now >= e.expires {
			c.counters.expired++
			freed = c.drop(e, freed)
			continue
		}
		c.kept.remove(e)
		c.kept.pushBack(e)
	}
	return freed
}

// left is called by a policy when it has dropped e, from its own goroutine or from one inside release.
func (c *Cache[V]) left(p *policy[V], e *entry[V]) {
	if e.state.Load() == isGone {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.policy == p && e.state.Load() == isKept {
		c.drop(e, nil)
	}
}
