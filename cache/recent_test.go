package cache

import (
	"sync"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/clock/clocktest"
)

func TestRecentForgetsWhatWouldEndFirst(t *testing.T) {
	clock := &handClock{}
	r := NewRecent[int](recentWays, clock.now)
	key := func(i int) Key { return Key{31: byte(i)} }
	for i, seconds := range [recentWays]int{3, 6, 1, 4, 7, 2, 5, 8} {
		r.Set(key(i), i, time.Duration(seconds)*time.Second)
	}
	for n, gone := range []int{2, 5, 0, 3} {
		r.Set(key(100+n), n, time.Minute)
		if found(r, key(gone)) {
			t.Errorf("newcomer %d: entry %d is still there", n, gone)
		}
	}
	for _, i := range []int{1, 4, 6, 7, 100, 101, 102, 103} {
		if !found(r, key(i)) {
			t.Errorf("entry %d is gone", i)
		}
	}
	clock.advance(time.Minute)
	for _, i := range []int{1, 4, 6, 7, 100, 101, 102, 103} {
		if found(r, key(i)) {
			t.Errorf("entry %d is there after its end", i)
		}
	}
}

// TestReplacePushesNothingOut: there is room only where nothing is remembered any more.
func TestReplacePushesNothingOut(t *testing.T) {
	clock := clocktest.New()
	r := NewRecent[int](recentWays, clock.Now)
	key := func(i int) Key { return Key{31: byte(i)} }
	replaced := func(k, v, before int, had, stored bool) {
		t.Helper()
		if b, h, s := r.Replace(key(k), v, time.Duration(1+v)*time.Second); b != before || h != had || s != stored {
			t.Errorf("%d of key %d: before %d, %v; stored %v; want %d, %v; %v", v, k, b, h, s, before, had, stored)
		}
	}
	for i := range recentWays {
		replaced(i, i, 0, false, true)
	}
	replaced(100, 0, 0, false, false)
	replaced(0, 100, 0, true, true)
	replaced(0, 101, 100, true, true)
	clock.Advance(2 * time.Second)
	replaced(100, 7, 0, false, true) // where key 1 was
	replaced(101, 7, 0, false, false)
	clock.Advance(time.Second)
	replaced(2, 9, 0, false, true)
	if v, ok := r.Get(&Key{31: 2}); v != 9 || !ok {
		t.Errorf("key 2: %d, %v", v, ok)
	}
}

// TestRecentForgetsWhatASleepHasMadeOld: a step ahead of the wall clock ends
// lifetimes too, until it is undone. A step back prolongs no lifetime.
func TestRecentForgetsWhatASleepHasMadeOld(t *testing.T) {
	for _, s := range []struct {
		name string
		move func(*clocktest.Clock)
		kept bool
	}{
		{"nothing", func(*clocktest.Clock) {}, true},
		{"almost a minute", func(c *clocktest.Clock) { c.Advance(time.Minute - 1) }, true},
		{"a minute", func(c *clocktest.Clock) { c.Advance(time.Minute) }, false},
		{"almost a minute's sleep", func(c *clocktest.Clock) { c.Sleep(time.Minute - 1) }, true},
		{"a minute's sleep", func(c *clocktest.Clock) { c.Sleep(time.Minute) }, false},
		{"a step ahead", func(c *clocktest.Clock) { c.Step(time.Hour) }, false},
		{"a step ahead, and right again", func(c *clocktest.Clock) { c.Step(time.Hour); c.Step(-time.Hour) }, true},
		{"a step back", func(c *clocktest.Clock) { c.Step(-time.Hour) }, true},
		{"a step back, and a minute", func(c *clocktest.Clock) { c.Step(-time.Hour); c.Advance(time.Minute) }, false},
	} {
		clock := clocktest.New()
		r := NewRecent[int](8, clock.Now)
		r.Set(Key{1}, 1, time.Minute)
		s.move(clock)
		if kept := found(r, Key{1}); kept != s.kept {
			t.Errorf("%s: found %v, want %v", s.name, kept, s.kept)
		}
	}
}

func found(r *Recent[int], k Key) bool {
	_, ok := r.Get(&k)
	return ok
}

func TestRecentIsOfFixedSize(t *testing.T) {
	for _, tt := range []struct{ asked, want int }{{-1, 8}, {0, 8}, {1, 8}, {8, 8}, {9, 16}, {1000, 1024}, {1024, 1024}, {1025, 2048}} {
		if got := len(NewRecent[int](tt.asked, nil).buckets) * recentWays; got != tt.want {
			t.Errorf("asked for %d: %d, want %d", tt.asked, got, tt.want)
		}
	}
}

func TestRecentIsSafeForConcurrentUse(t *testing.T) {
	r := NewRecent[int](16, nil)
	var all sync.WaitGroup
	for worker := range 4 {
		all.Go(func() {
			for i := range 5000 {
				n := (i*7 + worker) % 64
				k := digest(uint64(n))
				if v, ok := r.Get(&k); ok && v != n {
					t.Errorf("asked for %d, found %d", n, v)
				}
				r.Set(k, n, time.Minute)
				switch i % 500 {
				case 0:
					r.Delete(k)
				case 1:
					r.Purge()
				}
			}
		})
	}
	all.Wait()
}
