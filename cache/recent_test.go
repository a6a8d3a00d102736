package cache

import (
	"sync"
	"testing"
	"time"
)

func TestRecentForgetsWhatWouldEndFirst(t *testing.T) {
	clock := &clock{}
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
	if n := r.Len(); n != 0 {
		t.Errorf("%d entries after the end of all", n)
	}
}

func found(r *Recent[int], k Key) bool {
	_, ok := r.Get(&k)
	return ok
}

func TestRecentIsOfFixedSize(t *testing.T) {
	for _, tt := range []struct{ asked, want int }{{-1, 8}, {0, 8}, {1, 8}, {8, 8}, {9, 16}, {1000, 1024}, {1024, 1024}, {1025, 2048}} {
		if got := NewRecent[int](tt.asked, nil).Cap(); got != tt.want {
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
				case 2:
					r.Len()
				}
			}
		})
	}
	all.Wait()
}
