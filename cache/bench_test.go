package cache

import (
	"context"
	"encoding/binary"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/internal/e2e/need"
)

// digest makes the n-th of a sequence of keys that are spread like digests (SplitMix64).
func digest(n uint64) (k Key) {
	for i := 0; i < len(k); i += 8 {
		z := (n*4+uint64(i/8))*0x9e3779b97f4a7c15 + 0x9e3779b97f4a7c15
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		binary.LittleEndian.PutUint64(k[i:], z^z>>31)
	}
	return k
}

func filled(b *testing.B, n int) (*Cache[*int], []Key) {
	b.Helper()
	c, err := New[*int](Config{MaxBytes: 64 << 20})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(c.Close)
	keys := make([]Key, n)
	for i := range keys {
		keys[i] = digest(uint64(i))
		c.Set(keys[i], uint64(i), new(int), 600, time.Hour)
	}
	return c, keys
}

func BenchmarkGet(b *testing.B) {
	for _, n := range []int{1, 10_000} {
		c, keys := filled(b, n)
		name := map[int]string{1: "one", 10_000: "many"}[n]
		b.Run("hit/serial/"+name, func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if _, ok := c.Get(&keys[i%n]); !ok {
					b.Fatal("miss")
				}
				i++
			}
		})
		b.Run("hit/parallel/"+name, func(b *testing.B) {
			b.ReportAllocs()
			var start atomic.Uint64
			b.RunParallel(func(pb *testing.PB) {
				i := int(start.Add(7919))
				for pb.Next() {
					if _, ok := c.Get(&keys[i%n]); !ok {
						b.Error("miss")
					}
					i++
				}
			})
		})
	}
	c, keys := filled(b, 10_000)
	c.settle()
	b.Run("ristretto alone/serial/many", func(b *testing.B) { // what the touch within a hit costs
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			c.policy.touch(c.hash(&keys[i%len(keys)]))
			i++
		}
	})
	b.Run("miss/serial", func(b *testing.B) {
		b.ReportAllocs()
		k := digest(1 << 40)
		for b.Loop() {
			c.Get(&k)
		}
	})
}

func BenchmarkSet(b *testing.B) {
	v := new(int)
	b.Run("new/serial", func(b *testing.B) {
		c, _ := filled(b, 50_000)
		b.ReportAllocs()
		n := uint64(1 << 40)
		for b.Loop() {
			n++
			c.Set(digest(n), n, v, 600, time.Hour)
		}
	})
	b.Run("new/parallel", func(b *testing.B) {
		c, _ := filled(b, 50_000)
		b.ReportAllocs()
		var n atomic.Uint64
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				i := n.Add(1) + 1<<40
				c.Set(digest(i), i, v, 600, time.Hour)
			}
		})
	})
	b.Run("over", func(b *testing.B) {
		c, keys := filled(b, 10_000)
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			c.Set(keys[i%len(keys)], uint64(i%len(keys)), v, 600, time.Hour)
			i++
		}
	})
	b.Run("one group", func(b *testing.B) {
		c, _ := filled(b, 50_000)
		b.ReportAllocs()
		n := uint64(1 << 40)
		for b.Loop() {
			n++
			c.Set(digest(n), 1, v, 600, time.Hour)
		}
	})
}

func BenchmarkRecent(b *testing.B) {
	r := NewRecent[uint8](1<<16, nil)
	for i := range uint64(1 << 16) {
		r.Set(digest(i), 1, time.Hour)
	}
	b.Run("get", func(b *testing.B) {
		b.ReportAllocs()
		i := uint64(0)
		for b.Loop() {
			k := digest(i & 0xffff)
			r.Get(&k)
			i++
		}
	})
	b.Run("junk", func(b *testing.B) {
		b.ReportAllocs()
		i := uint64(1 << 40)
		for b.Loop() {
			r.Set(digest(i), 1, 30*time.Second)
			i++
		}
	})
}

func BenchmarkFlight(b *testing.B) {
	f := NewFlights[*int](b.Context(), FlightsConfig{})
	v := new(int)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := f.Do(b.Context(), Key{}, func(context.Context) *int { return v }); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkMemoryPerEntry fills a cache with a million entries, each of a group of its own and without a payload, and
// reports what one takes of the heap: index, group, list, ristretto's two maps and the share of its sketch.
func BenchmarkMemoryPerEntry(b *testing.B) {
	need.Time(b, "it fills a million entries")
	for b.Loop() {
		used, entries := heapOfEntries(b, 1_000_000, 512<<20)
		b.ReportMetric(used/float64(entries), "B/entry")
		b.ReportMetric(float64(entries), "entries")
	}
	b.ReportMetric(0, "ns/op")
}

// heapOfEntries fills a cache of maxBytes with n entries without payload, and returns the heap that this took and the
// number of entries it then holds.
func heapOfEntries(tb testing.TB, n int, maxBytes int64) (used float64, entries int64) {
	tb.Helper()
	before := heap()
	c, err := New[[2]*int](Config{MaxBytes: maxBytes}) // as large as the daemon's
	if err != nil {
		tb.Fatal(err)
	}
	for i := range uint64(n) {
		c.Set(digest(i), i, [2]*int{}, 0, time.Hour)
		if i%10_000 == 0 {
			c.settle()
		}
	}
	c.settle()
	used = heap() - before
	entries = c.Stats().Entries
	c.Close()
	return used, entries
}

// heap is the number of bytes that live objects take.
func heap() float64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// settle waits until ristretto has applied all that it was offered.
func (c *Cache[V]) settle() {
	c.mu.Lock()
	policy := c.policy
	c.mu.Unlock()
	policy.catchUp()
}
