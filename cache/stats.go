package cache

// Stats is a reading of a Cache's counters since New. The fields are read one after the other: while the cache is in
// use they need not fit each other exactly.
type Stats struct {
	Hits, Misses uint64 // answers of GetAt
	Sets         uint64 // calls of Set
	Evictions    uint64 // entries that made room for others
	Rejected     uint64 // entries that left the window and were found not worth keeping, or were too large to store
	Capped       uint64 // entries that were the oldest of a full group
	Expired      uint64 // entries swept after the end of their lifetime
	Entries      int64  // entries now in the index, expired ones included until they are swept
	Bytes        int64  // bytes now accounted for, fixed tables included; at most MaxBytes
	MaxBytes     int64  // the bound as configured
}

// counters are those that change under Cache.mu.
type counters struct {
	sets, rejected, capped, expired uint64
}

// Stats returns the counters and sizes. It takes the lock of the writers for a moment, none of the readers'.
func (c *Cache[V]) Stats() Stats {
	var stats Stats
	for i := range c.shards {
		stats.Hits += c.shards[i].hits.Load()
		stats.Misses += c.shards[i].misses.Load()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	stats.Sets = c.counters.sets
	stats.Evictions = c.evicted.Load()
	stats.Rejected = c.counters.rejected + c.refused.Load()
	stats.Capped = c.counters.capped
	stats.Expired = c.counters.expired
	stats.Entries = int64(c.window.len + c.kept.len)
	stats.MaxBytes = c.limits.max
	if c.policy != nil {
		stats.Bytes = c.limits.fixed + c.window.bytes + c.policy.held.Load()
	}
	return stats
}
