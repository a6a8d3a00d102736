package cache

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/neonauthd/neonauthd/internal/e2e/need"
)

func TestNewRefusesWhatIsOutOfBounds(t *testing.T) {
	for _, config := range []Config{
		{},
		{MaxBytes: -1},
		{MaxBytes: MinBytes - 1},
		{MaxBytes: MinBytes, PerGroup: -1},
		{MaxBytes: MinBytes, Jitter: -1},
		{MaxBytes: MinBytes, Jitter: maxJitter + 1},
	} {
		if c, err := New[int](config); err == nil {
			c.Close()
			t.Errorf("%+v accepted", config)
		}
	}
}

func TestPartsOfTheBoundAddUp(t *testing.T) {
	for _, maxBytes := range []int64{MinBytes, MinBytes + 1, 64 << 20, 1 << 40} {
		l := newLimits(maxBytes)
		if sum := l.fixed + l.held + 2*l.entry; sum > maxBytes || sum < maxBytes-50 {
			t.Errorf("%d bytes: the parts are %d", maxBytes, sum)
		}
		if l.kept <= 0 || l.kept >= l.held || l.window <= 0 || l.window >= l.entry || l.fixed > maxBytes/2 {
			t.Errorf("%d bytes: %+v", maxBytes, l)
		}
	}
}

func TestEntryBeyondTheBoundIsNotStoredAndTheOldIsGone(t *testing.T) {
	c := newCache[string](t, Config{})
	k, other := digest(1), digest(2)
	largest := c.limits.entry - Overhead
	c.Set(other, 0, "other", 0, time.Hour)
	for _, tt := range []struct {
		cost   int64
		stored bool
	}{{largest, true}, {largest + 1, false}, {1<<63 - 1, false}, {-1 << 63, true}, {largest, true}} {
		c.Set(k, 0, "old", 0, time.Hour)
		c.Set(k, 0, "new", tt.cost, time.Hour)
		if v, ok := c.Get(&k); ok != tt.stored || ok && v != "new" {
			t.Errorf("cost %d: found %q, %v", tt.cost, v, ok)
		}
	}
	if rejected := c.Stats().Rejected; rejected != 2 {
		t.Errorf("%d rejected, want 2", rejected)
	}
	if _, ok := c.Get(&other); !ok {
		t.Error("other entry lost")
	}
	examine(t, c)
}

func TestOldestOfAFullGroupLeaves(t *testing.T) {
	c := newCache[int](t, Config{PerGroup: 3})
	set := func(n uint64) { c.Set(digest(n), 5, int(n), 0, time.Hour) }
	present := func() (list []uint64) {
		for n := range uint64(10) {
			if k := digest(n); c.has(&k) {
				list = append(list, n)
			}
		}
		return list
	}
	c.Set(digest(9), 6, 9, 0, time.Hour) // of another group
	for _, step := range []struct {
		name string
		do   func()
		want []uint64
	}{
		{"three", func() { set(0); set(1); set(2) }, []uint64{0, 1, 2, 9}},
		{"a fourth", func() { set(3) }, []uint64{1, 2, 3, 9}},
		{"the oldest again: now the newest", func() { set(1); set(4) }, []uint64{1, 3, 4, 9}},
		{"one less, then one more", func() { c.Delete(digest(3)); set(5) }, []uint64{1, 4, 5, 9}},
		{"the newest deleted, then two more", func() { c.Delete(digest(5)); set(6); set(7) }, []uint64{4, 6, 7, 9}},
		{"moved to another group", func() { c.Set(digest(6), 6, 6, 0, time.Hour); set(8) }, []uint64{4, 6, 7, 8, 9}},
	} {
		step.do()
		if got := present(); !slices.Equal(got, step.want) {
			t.Errorf("%s: %v, want %v", step.name, got, step.want)
		}
	}
	examine(t, c)
}

func TestLargeEntriesAreKeptByAFullCache(t *testing.T) {
	skipWithoutPopularity(t)
	synctest.Test(t, func(t *testing.T) {
		c := newCache[int](t, Config{MaxBytes: 4 << 20})
		for i := range uint64(10_000) {
			c.Set(digest(i), i, 0, 600, time.Hour)
		}
		k := digest(1 << 40)
		c.Set(k, 1<<40, 0, c.limits.entry-Overhead, time.Hour)
		for range 50 {
			for range 64 {
				c.Get(&k)
				time.Sleep(touchEvery)
			}
			synctest.Wait() // until ristretto has counted
		}
		for i := range uint64(10_000) {
			c.Set(digest(i+1<<50), i, 0, 600, time.Hour)
		}
		if !c.has(&k) {
			t.Error("a popular entry of the largest size was not kept")
		}
		examine(t, c)
	})
}

// TestBoundHoldsWhileRistrettoIsStuck holds the lock that ristretto needs to finish its first eviction.
func TestBoundHoldsWhileRistrettoIsStuck(t *testing.T) {
	c := newCache[int](t, Config{})
	c.mu.Lock()
	for i := range uint64(20_000) {
		cost := int64(i%7)*500 + Overhead
		if i%100 == 0 {
			cost = c.limits.entry
		}
		e := &entry[int]{key: digest(i), value: int(i), group: i, cost: cost, expires: time.Hour}
		c.store(e, nil)
		c.trim(0)
		if sum := c.limits.fixed + c.window.bytes + c.policy.held.Load(); sum > MinBytes {
			t.Errorf("%d bytes after %d entries", sum, i+1)
			break
		}
		if !c.has(&e.key) {
			t.Errorf("entry %d not found right after it was stored", i)
			break
		}
	}
	if c.counters.rejected == 0 {
		t.Error("nothing was rejected: ristretto was not stuck")
	}
	c.mu.Unlock()
	examine(t, c)
}

func TestSetWaitsForRistrettoRatherThanLoseEntries(t *testing.T) {
	c := newCache[int](t, Config{})
	for i := range uint64(20_000) {
		c.Set(digest(i), i, int(i), 4000, time.Hour)
	}
	if s := c.Stats(); s.Rejected != 0 || s.Evictions == 0 {
		t.Errorf("%d rejected, %d evicted", s.Rejected, s.Evictions)
	}
	examine(t, c)
}

func TestHeapStaysWithinMaxBytes(t *testing.T) {
	need.Host(t, !raceEnabled, "the race detector is in the heap too")
	need.Time(t, "it fills the heap")
	const maxBytes = 16 << 20
	for _, size := range []int{0, 600, 20_000, 1 << 20} {
		before := heap()
		c := newCache[[]byte](t, Config{MaxBytes: maxBytes})
		used := 0.0
		for i := range uint64(3 * maxBytes / (size + Overhead)) {
			v := make([]byte, size)
			c.Set(digest(i), i, v, int64(cap(v))+24, time.Hour)
			if i%(maxBytes/8/uint64(size+Overhead)+1) == 0 {
				used = max(used, heap()-before)
			}
		}
		used = max(used, heap()-before)
		s := c.Stats()
		t.Logf("values of %d bytes: heap %.1f MiB, accounted %.1f MiB, %d entries", size, used/(1<<20), float64(s.Bytes)/(1<<20), s.Entries)
		if used > maxBytes {
			t.Errorf("values of %d bytes: heap has grown by %.0f bytes, bound %d", size, used, maxBytes)
		}
		if s.Bytes > maxBytes || s.Bytes < maxBytes/3 {
			t.Errorf("values of %d bytes: %d bytes accounted of %d", size, s.Bytes, maxBytes)
		}
		examine(t, c)
		c.Close()
	}
}

// TestOverheadCoversWhatAnEntryTakes keeps the constants honest when Go's maps or ristretto change.
func TestOverheadCoversWhatAnEntryTakes(t *testing.T) {
	need.Host(t, !raceEnabled, "the race detector is in the heap too")
	need.Time(t, "it fills the heap")
	for _, maxBytes := range []int64{MinBytes, 64 << 20} {
		used, _ := heapOfEntries(t, 0, maxBytes)
		if fixed := newLimits(maxBytes).fixed; used > float64(fixed) {
			t.Errorf("an empty cache of %d bytes takes %.0f, accounted %d", maxBytes, used, fixed)
		}
	}
	const maxBytes = 128 << 20
	used, entries := heapOfEntries(t, 200_000, maxBytes)
	if entries != 200_000 {
		t.Fatalf("%d entries", entries)
	}
	if each := (used - float64(newLimits(maxBytes).fixed)) / float64(entries); each > Overhead {
		t.Errorf("an entry takes %.0f bytes, accounted %d", each, Overhead)
	}
}

func TestStatsCountWhatHappened(t *testing.T) {
	clock := &handClock{}
	c := newCache[int](t, Config{PerGroup: 2, Now: clock.now})
	for i := range uint64(3) {
		c.Set(digest(i), 0, 0, 1000, time.Minute)
	}
	for i := range uint64(3) {
		k := digest(i)
		c.Get(&k)
		if n, found := c.PeekAt(&k, clock.now()); found != (i > 0) || n != 0 { // PeekAt does not count
			t.Errorf("entry %d: %t", i, found)
		}
	}
	clock.advance(time.Hour)
	c.Sweep()
	want := Stats{Hits: 2, Misses: 1, Sets: 3, Capped: 1, Expired: 2, Bytes: c.limits.fixed, MaxBytes: MinBytes}
	if got := c.Stats(); got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	for i := range uint64(10_000) {
		c.Set(digest(i), i, 0, 1000, time.Minute)
	}
	c.settle()
	s := c.Stats()
	if left := int64(s.Evictions + s.Rejected); left+s.Entries != 10_000 || s.Entries == 0 {
		t.Errorf("10000 set, %d evicted, %d rejected, %d there", s.Evictions, s.Rejected, s.Entries)
	}
	c.Close()
	if s := c.Stats(); s.Entries != 0 || s.Bytes != 0 || s.Sets != 10_003 {
		t.Errorf("after Close: %+v", s)
	}
}
