package cache

import (
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// handClock is a Now that moves when told to.
type handClock struct{ nanoseconds atomic.Int64 }

func (c *handClock) now() time.Time          { return time.Unix(1_700_000_000, c.nanoseconds.Load()) }
func (c *handClock) advance(d time.Duration) { c.nanoseconds.Add(int64(d)) }

// fail is the part of testing.TB that rapid.T has too.
type fail interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
}

// Get is GetAt now.
func (c *Cache[V]) Get(k *Key) (V, bool) { return c.GetAt(k, c.now()) }

func newCache[V any](tb testing.TB, config Config) *Cache[V] {
	tb.Helper()
	if config.MaxBytes == 0 {
		config.MaxBytes = MinBytes
	}
	c, err := New[V](config)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.Close)
	return c
}

// has tells whether Get finds k.
func (c *Cache[V]) has(k *Key) bool {
	_, ok := c.Get(k)
	return ok
}

// examine checks everything the cache's parts must agree on, once ristretto has applied what it was offered and no
// other call is under way.
func examine[V any](tb fail, c *Cache[V]) {
	tb.Helper()
	c.settle()
	c.mu.Lock()
	defer c.mu.Unlock()

	indexed := 0
	for i := range c.shards {
		for hash, e := range c.shards[i].entries {
			indexed++
			if c.hash(&e.key) != hash || e.state.Load() == isGone {
				tb.Errorf("entry under %x: key %x, state %d", hash, e.key[:8], e.state.Load())
			}
			if _, ok := c.policy.cache.Get(hash); ok != (e.state.Load() == isKept) {
				tb.Errorf("entry %x: kept by ristretto is %v, state %d", e.key[:8], ok, e.state.Load())
			}
		}
	}
	grouped := 0
	for group, newest := range c.groups {
		size := uint32(0)
		for e := newest; ; e = e.groupNext {
			if e.group != group || e.state.Load() == isGone || e.groupNext.groupPrev != e {
				tb.Errorf("group %d holds %x of group %d, state %d", group, e.key[:8], e.group, e.state.Load())
			}
			if size++; e.groupNext == newest {
				break
			}
		}
		if size != newest.groupSize || size > c.perGroup {
			tb.Errorf("group %d: size %d, recorded %d, bound %d", group, size, newest.groupSize, c.perGroup)
		}
		grouped += int(size)
	}
	if listed := c.window.len + c.kept.len; listed != indexed || grouped != indexed {
		tb.Errorf("indexed %d, listed %d, grouped %d", indexed, listed, grouped)
	}
	if held := c.policy.held.Load(); held != c.kept.bytes {
		tb.Errorf("ristretto holds %d bytes, the index knows of %d", held, c.kept.bytes)
	}
	if c.window.bytes > c.limits.window && c.window.len > 1 || c.window.bytes > c.limits.entry {
		tb.Errorf("window holds %d bytes in %d entries", c.window.bytes, c.window.len)
	}
	if sum := c.limits.fixed + c.window.bytes + c.kept.bytes; sum > c.limits.max {
		tb.Errorf("%d bytes of %d", sum, c.limits.max)
	}
}
