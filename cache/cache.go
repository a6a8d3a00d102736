// Package cache is the daemon's in-memory cache: generic, safe for concurrent use, and bounded in bytes. It knows
// nothing of tokens, HTTP or the protocol. A 32-byte key addresses each value, and the caller checks that the value
// it gets is still valid.
//
// The package has three types. [Cache] holds values by their worth, [Recent] is a table of fixed size for values
// with a short lifetime, and [Flights] lets many callers wait for one computation.
//
// # How Cache is built
//
// An index (sharded plain maps) decides which value is the newest for a key, and whether there is one. Ristretto
// decides which entries are worth their bytes: every entry that leaves the small window of the newest entries is
// offered to ristretto, and an entry that ristretto evicts or refuses leaves the index too. Ristretto alone could
// not replace the index: it drops writes when it is busy, keeps the first of two writes to a key that it has not
// yet applied, refuses new entries, and compares hashes instead of keys. The index hides all of that:
//
//   - GetAt never returns a value stored under another key: all 32 bytes are compared.
//   - GetAt never returns a value older than the last Set, Delete or Purge of that key that had returned when GetAt
//     was called. All operations on one key are linearizable, except that an entry may leave at any time.
//   - A value just Set is there for the next GetAt. It stays at least until the entries Set after it fill the
//     window, or until its group overflows.
//   - GetAt waits for nothing but a shard's lock, which is never held across a wait.
package cache

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// Key addresses one entry: a digest, evenly distributed over all its bits. The zero Key is a key like any other.
type Key [32]byte

// MinBytes is the smallest Config.MaxBytes: below it the fixed tables would leave no room for entries.
const MinBytes = 1 << 20

// DefaultPerGroup is the number of entries per group when Config.PerGroup is zero.
const DefaultPerGroup = 64

// maxJitter is the largest Config.Jitter, in percent.
const maxJitter = 50

// Config shapes a Cache. The zero value is not usable: MaxBytes is required.
type Config struct {
	// MaxBytes bounds the memory of everything the cache holds, in bytes: the costs passed to Set, the cost of
	// keeping an entry (see Overhead) and the fixed tables. At least MinBytes. An entry that takes more than 8 % of
	// what the fixed tables leave is not stored.
	MaxBytes int64
	// PerGroup is the largest number of entries of one group; the oldest leave first. Zero means DefaultPerGroup.
	PerGroup int
	// Jitter shortens each lifetime by up to so many percent (0 to 50), by a share drawn from the key, so that
	// entries filled together do not expire together. It never lengthens one. Zero means exact lifetimes.
	Jitter int
	// Now is the clock that lifetimes are measured on; nil means time.Now. A lifetime is a difference of two readings,
	// so with time.Now it runs on the monotonic clock, and a step of the wall clock empties nothing. If a value must
	// not outlive an instant of the wall clock, its reader has to check that instant.
	Now func() time.Time
}

// Cache maps keys to values of type V within a bound of bytes. Values are shared between callers and must not be
// changed once stored; V is usually a pointer. All methods may be called at the same time by any number of
// goroutines. Use New; the zero value is not usable.
type Cache[V any] struct {
	now      func() time.Time
	epoch    time.Time
	jitter   int64
	perGroup uint32
	mask     uint64 // of the index hash; all ones, except in the collision test
	limits   limits
	shards   [shardCount]shard[V]
	evicted  atomic.Uint64
	refused  atomic.Uint64

	mu       sync.Mutex // guards all below; taken before a shard's lock, never on the way of GetAt
	policy   *policy[V] // nil once closed
	window   list[V]    // the newest entries, oldest first, not yet offered to the policy
	kept     list[V]    // entries the policy was offered; its front is where the sweep goes on
	groups   groups[V]
	counters counters
}

// New returns a cache, or an error when the configuration is out of bounds. It starts two goroutines (ristretto's),
// which Close ends.
func New[V any](config Config) (*Cache[V], error) {
	if config.MaxBytes < MinBytes {
		return nil, fmt.Errorf("cache: MaxBytes %d is less than %d", config.MaxBytes, int64(MinBytes))
	}
	if config.PerGroup < 0 || config.PerGroup > math.MaxInt32 {
		return nil, errors.New("cache: PerGroup out of range")
	}
	if config.Jitter < 0 || config.Jitter > maxJitter {
		return nil, fmt.Errorf("cache: Jitter %d is not within 0 to %d percent", config.Jitter, maxJitter)
	}
	if config.PerGroup == 0 {
		config.PerGroup = DefaultPerGroup
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	c := &Cache[V]{
		now:      config.Now,
		epoch:    config.Now(),
		jitter:   int64(config.Jitter),
		perGroup: uint32(config.PerGroup),
		mask:     math.MaxUint64,
		limits:   newLimits(config.MaxBytes),
	}
	policy, err := c.newPolicy()
	if err != nil {
		return nil, err
	}
	c.reset(policy)
	return c, nil
}

// GetAt returns the newest value of k whose lifetime has not ended at that reading of the clock Config.Now. It allocates
// nothing and waits for nothing. After Close it finds nothing. The caller has just read the clock: a second reading would be
// a notable part of the cost of a hit.
func (c *Cache[V]) GetAt(k *Key, at time.Time) (V, bool) {
	hash := c.hash(k)
	now := at.Sub(c.epoch)
	s := &c.shards[hash%shardCount]
	s.mu.RLock()
	e := s.entries[hash]
	if e == nil || e.key != *k || now >= e.expires {
		s.mu.RUnlock()
		s.misses.Add(1)
		var none V
		return none, false
	}
	// Only hits are reported to the policy: junk that is asked for but never stored cannot become popular.
	// The call is within the lock, so that the policy cannot be closed meanwhile.
	if e.popular(now) {
		s.policy.touch(hash)
	}
	s.mu.RUnlock()
	s.hits.Add(1)
	return e.value, true
}

// PeekAt is GetAt for a caller that looks a second time. It counts neither as a hit nor as a miss, and the eviction policy
// does not learn of it.
func (c *Cache[V]) PeekAt(k *Key, at time.Time) (V, bool) {
	hash := c.hash(k)
	s := &c.shards[hash%shardCount]
	s.mu.RLock()
	defer s.mu.RUnlock()
	e := s.entries[hash]
	if e == nil || e.key != *k || at.Sub(c.epoch) >= e.expires {
		var none V
		return none, false
	}
	return e.value, true
}

// Set stores v under k for lifetime, in place of an older value, which no GetAt finds after Set has returned.
// group names the entries that share one bound (Config.PerGroup). cost is the number of bytes that v keeps alive;
// the cache adds its own. With a lifetime of zero or less, or a cost beyond the bound, v is not stored, and the
// older value is gone all the same. Set waits when more is set than the eviction policy can decide on.
// After Close it does nothing.
func (c *Cache[V]) Set(k Key, group uint64, v V, cost int64, lifetime time.Duration) {
	cost = min(max(cost, 0), math.MaxInt64-Overhead) + Overhead
	now := c.elapsed()
	var buffer [8]uint64
	freed := buffer[:0]

	c.mu.Lock()
	policy := c.policy
	if policy == nil {
		c.mu.Unlock()
		return
	}
	c.counters.sets++
	if lifetime <= 0 || cost > c.limits.entry {
		if lifetime > 0 {
			c.counters.rejected++
		}
		freed = c.remove(&k, freed)
	} else {
		e := &entry[V]{key: k, value: v, group: group, cost: cost, expires: c.deadline(&k, now, lifetime)}
		freed = c.store(e, freed)
		c.trim(now)
	}
	freed = c.sweep(now, sweepPerSet, freed)
	behind := policy.held.Load() > c.limits.behind
	c.mu.Unlock()

	policy.release(freed)
	if behind {
		policy.catchUp()
	}
}

// Delete removes k. After it has returned, no GetAt finds a value that was Set before. A concurrent Set may store k
// again: a caller that must not use the deleted value checks the value itself when it reads it.
func (c *Cache[V]) Delete(k Key) {
	c.mu.Lock()
	policy := c.policy
	if policy == nil {
		c.mu.Unlock()
		return
	}
	freed := c.remove(&k, nil)
	c.mu.Unlock()

	policy.release(freed)
}

// Purge removes all entries, and the popularity counts of ristretto. When it has returned, no GetAt finds an older value.
// The memory is free for reuse when it returns; GetAt is not held up meanwhile.
func (c *Cache[V]) Purge() {
	policy, err := c.newPolicy()
	if err != nil {
		panic(err) // Not reachable: the same limits made a policy in New.
	}
	c.mu.Lock()
	if c.policy == nil {
		c.mu.Unlock()
		policy.close()
		return
	}
	old := c.reset(policy)
	c.mu.Unlock()
	old.close()
}

// Sweep removes the entries whose lifetime has ended and returns their number. Set sweeps a little each time, so
// memory stays bounded without it; calling Sweep now and then also frees the expired entries of an idle cache.
func (c *Cache[V]) Sweep() int {
	now := c.elapsed()
	c.mu.Lock()
	before := c.counters.expired
	for e := c.window.front; e != nil; {
		next := e.next
		if now >= e.expires {
			c.counters.expired++
			c.drop(e, nil)
		}
		e = next
	}
	// In batches, so that no Set waits for the whole walk.
	for left := c.kept.len; left > 0 && c.policy != nil; left -= sweepBatch {
		freed := c.sweep(now, min(left, sweepBatch), nil)
		policy := c.policy
		c.mu.Unlock()
		policy.release(freed)
		c.mu.Lock()
	}
	swept := c.counters.expired - before
	c.mu.Unlock()
	return int(swept)
}

// Renew gives values another lifetime, counted from now, also values whose lifetime has ended but that are still there.
// lifetime returns it for a value; ok is false for a value that keeps the one it has. It is called with a lock held that
// GetAt may wait for, so it must be quick and must not call the cache. A value that is Set at the same time may keep the
// lifetime that it was Set with.
func (c *Cache[V]) Renew(lifetime func(V) (d time.Duration, ok bool)) {
	now := c.elapsed()
	for i := range c.shards { // one at a time, so that no Set waits for the whole walk
		c.mu.Lock()
		s := &c.shards[i]
		s.mu.Lock()
		for _, e := range s.entries {
			if d, ok := lifetime(e.value); ok {
				e.expires = c.deadline(&e.key, now, max(0, d))
			}
		}
		s.mu.Unlock()
		c.mu.Unlock()
	}
}

// Close empties the cache and ends its goroutines. Later calls find nothing and store nothing; a second Close does
// nothing. Close may be called while other methods run.
func (c *Cache[V]) Close() {
	c.mu.Lock()
	if c.policy == nil {
		c.mu.Unlock()
		return
	}
	old := c.reset(nil)
	c.mu.Unlock()
	old.close()
}

// hash is the index hash: the first bytes of a digest are as good as any.
func (c *Cache[V]) hash(k *Key) uint64 {
	return binary.LittleEndian.Uint64(k[:8]) & c.mask
}

// elapsed is the time since New on the clock Config.Now.
func (c *Cache[V]) elapsed() time.Duration {
	return c.now().Sub(c.epoch)
}

// deadline is the end of a lifetime that starts now, moved down by the key's share of the jitter.
func (c *Cache[V]) deadline(k *Key, now, lifetime time.Duration) time.Duration {
	share := int64(binary.LittleEndian.Uint16(k[8:10]))
	lifetime -= time.Duration((int64(lifetime) / 100 * c.jitter >> 16) * share)
	if lifetime > math.MaxInt64-now {
		return math.MaxInt64
	}
	return now + lifetime
}
