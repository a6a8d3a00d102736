package cache

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/neonauthd/neonauthd/internal/e2e/need"
)

// TestCollidingHashesNeverAnswerForEachOther asks a million random keys of an index that has eight bits of hash.
func TestCollidingHashesNeverAnswerForEachOther(t *testing.T) {
	c := newCache[Key](t, Config{})
	c.mask = 0xff
	r := NewRecent[Key](1, nil)
	keys := uint64(1_000_000)
	if raceEnabled || testing.Short() {
		keys = 50_000
	}
	hits := uint64(0)
	for i := range keys {
		k := digest(i)
		if v, ok := c.Get(&k); ok {
			t.Fatalf("key %d never stored, found %x", i, v)
		}
		c.Set(k, i, k, 0, time.Hour)
		r.Set(k, k, time.Hour)
		for _, asked := range []Key{k, digest(i - i%256)} {
			if v, ok := c.Get(&asked); ok {
				hits++
				if v != asked {
					t.Fatalf("asked %x, found %x", asked, v)
				}
			}
			if v, ok := r.Get(&asked); ok && v != asked {
				t.Fatalf("recent: asked %x, found %x", asked, v)
			}
		}
	}
	if hits < keys {
		t.Errorf("%d hits: the test has not tested much", hits)
	}
	examine(t, c)
}

// TestJunkEvictsNothing sends distinct junk the way the daemon does: asked of both stores, remembered by Recent.
func TestJunkEvictsNothing(t *testing.T) {
	junk := uint64(5_000_000)
	if raceEnabled || testing.Short() {
		junk = 500_000
	}
	standJunk(t, junk)
}

// BenchmarkFiftyMillionJunk is TestJunkEvictsNothing at full length.
func BenchmarkFiftyMillionJunk(b *testing.B) {
	need.Time(b, "fifty million lookups")
	for b.Loop() {
		standJunk(b, 50_000_000)
	}
}

func standJunk(t testing.TB, junk uint64) {
	t.Helper()
	const good = 1000
	c := newCache[*int](t, Config{MaxBytes: 2 << 20})
	r := NewRecent[uint8](1<<14, nil)
	for i := range uint64(good) {
		c.Set(digest(i), i, new(int), 100, time.Hour)
	}
	c.settle()
	before := heap()
	k := digest(1 << 50)
	for i := range junk {
		// Half of the junk is asked of the cache too: that takes most of the time, and would be enough to pollute the
		// cache.
		k[0], k[1], k[2], k[3], k[4] = byte(i), byte(i>>8), byte(i>>16), byte(i>>24), byte(i>>32)
		if i%2 == 0 {
			c.Get(&k)
		}
		r.Set(k, 1, 30*time.Second)
	}
	if grown := heap() - before; grown > 256<<10 {
		t.Errorf("heap has grown by %.0f bytes", grown)
	}
	if v, ok := r.Get(&k); !ok || v != 1 {
		t.Error("newest junk not remembered")
	}
	for i := range uint64(good) {
		k := digest(i)
		if _, ok := c.Get(&k); !ok {
			t.Fatalf("entry %d lost to junk", i)
		}
	}
}

// TestOneGroupEvictsNoOther lets one group store 100000 entries among a thousand others, that nobody has asked for yet.
func TestOneGroupEvictsNoOther(t *testing.T) {
	const others = 1000
	intruders := uint64(100_000)
	if raceEnabled || testing.Short() {
		intruders = 20_000
	}
	for _, tt := range []struct {
		name     string
		maxBytes int64
		cost     int64 // of each entry that the intruder stores
		lost     int   // how many of the others may be evicted
	}{
		{"with room to spare", 4 << 20, 600, 0},
		{"with entries too large for the window to hold the group", 8 << 20, 16 << 10, 0},
		// The intruder's own share (its group's bound in bytes) must come from somewhere.
		{"in a full cache", MinBytes, 600, 2 * DefaultPerGroup},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newCache[*int](t, Config{MaxBytes: tt.maxBytes})
			for i := range uint64(others) {
				c.Set(digest(i), i+1, new(int), 600, time.Hour)
			}
			c.settle()
			present := func() (n int) {
				for i := range uint64(others) {
					k := digest(i)
					if _, ok := c.Get(&k); ok {
						n++
					}
				}
				return n
			}
			before := present()
			for i := range intruders {
				c.Set(digest(i+1<<40), 0, new(int), tt.cost, time.Hour)
			}
			c.settle()
			if lost := before - present(); lost > tt.lost {
				t.Errorf("%d of %d entries lost to one group", lost, before)
			}
			own := 0
			for i := range intruders {
				k := digest(i + 1<<40)
				if _, ok := c.Get(&k); ok {
					own++
				}
			}
			if own == 0 || own > DefaultPerGroup {
				t.Errorf("the group holds %d entries, bound %d", own, DefaultPerGroup)
			}
			if capped := c.Stats().Capped; capped == 0 {
				t.Error("no entry counted as capped")
			}
			examine(t, c)
		})
	}
}

// skipWithoutPopularity skips tests that need ristretto to count: its buffers are in a sync.Pool, which the race detector
// makes so forgetful that hardly any is ever full.
func skipWithoutPopularity(t *testing.T) {
	t.Helper()
	need.Host(t, !raceEnabled, "ristretto counts nothing under the race detector")
}

// TestPopularityKeepsNoNewcomerOut asks for junk and for residents until both are popular; a newcomer is found all the same.
func TestPopularityKeepsNoNewcomerOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache[int](t, Config{})
		for i := range uint64(5000) {
			c.Set(digest(i), i, int(i), 600, time.Hour)
		}
		c.settle()
		for i := range uint64(100_000) {
			resident, junk := digest(i%5000), digest(i%5000+1<<40)
			c.Get(&resident)
			c.Get(&junk)
			if i%64 == 0 {
				synctest.Wait() // until ristretto has counted
			}
		}
		found := 0
		for i := range uint64(1000) {
			k := digest(i + 1<<50)
			if _, ok := c.Get(&k); ok {
				t.Fatal("found before it was set")
			}
			c.Set(k, i+1<<50, int(i), 600, time.Hour)
			if v, ok := c.Get(&k); ok && v == int(i) {
				found++
			}
		}
		if found != 1000 {
			t.Errorf("%d of 1000 newcomers found on their second ask", found)
		}
		if s := c.Stats(); s.Rejected == 0 && !raceEnabled {
			t.Error("ristretto refused nobody: the test has not tested anything")
		}
		examine(t, c)
	})
}

// TestNewcomersStayForTheWindow checks that a newcomer outlives as many later ones as the window holds.
func TestNewcomersStayForTheWindow(t *testing.T) {
	c := newCache[int](t, Config{MaxBytes: 4 << 20})
	full := int64(1000 + Overhead)
	room := uint64(c.limits.window / full)
	for i := range uint64(20_000) {
		k := digest(i)
		c.Set(k, i, int(i), full-Overhead, time.Hour)
		if i < room {
			continue
		}
		k = digest(i - room + 1)
		if _, ok := c.Get(&k); !ok {
			t.Fatalf("entry %d gone after %d newer ones, window %d", i-room+1, room-1, room)
		}
	}
	examine(t, c)
}

// TestPopularEntriesSurviveAFloodOfUnpopularOnes is what ristretto is for.
func TestPopularEntriesSurviveAFloodOfUnpopularOnes(t *testing.T) {
	skipWithoutPopularity(t)
	synctest.Test(t, func(t *testing.T) {
		c := newCache[int](t, Config{MaxBytes: 4 << 20})
		const popular = 500
		for i := range uint64(popular) {
			c.Set(digest(i), i, int(i), 600, time.Hour)
		}
		c.settle()
		hits := 0
		for i := range uint64(50_000) {
			k := digest(i % popular)
			if _, ok := c.Get(&k); ok {
				hits++
			} else {
				c.Set(k, i%popular, int(i), 600, time.Hour)
			}
			c.Set(digest(i+1<<40), i+1<<40, int(i), 600, time.Hour)
			if i%64 == 0 {
				time.Sleep(touchEvery)
				synctest.Wait() // until ristretto has counted
			}
		}
		if hits < 45_000 {
			t.Errorf("hit %d times of 50000", hits)
		}
		examine(t, c)
	})
}

func ExampleCache() {
	c, err := New[*string](Config{MaxBytes: 8 << 20})
	if err != nil {
		panic(err)
	}
	defer c.Close()
	value := "a verdict"
	key, group := Key{1, 2, 3}, uint64(7)
	c.Set(key, group, &value, int64(len(value)), time.Minute)
	if v, ok := c.Get(&key); ok {
		fmt.Println(*v)
	}
	c.Delete(key)
	_, ok := c.Get(&key)
	fmt.Println(ok)
	// Output:
	// a verdict
	// false
}
