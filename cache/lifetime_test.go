package cache

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestLifetimesEndOnTheInstant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache[string](t, Config{})
		r := NewRecent[string](8, nil)
		k := digest(1)
		c.Set(k, 0, "v", 0, time.Minute)
		r.Set(k, "v", time.Minute)
		found := func() (bool, bool) {
			_, cached := c.Get(&k)
			_, recent := r.Get(&k)
			return cached, recent
		}
		time.Sleep(time.Minute - 1)
		if cached, recent := found(); !cached || !recent {
			t.Errorf("a nanosecond before the end: found %v, %v", cached, recent)
		}
		time.Sleep(time.Nanosecond)
		if cached, recent := found(); cached || recent {
			t.Errorf("at the end: found %v, %v", cached, recent)
		}
		c.Set(k, 0, "w", 0, time.Second)
		if v, ok := c.Get(&k); !ok || v != "w" {
			t.Errorf("set again: found %q, %v", v, ok)
		}
	})
}

// TestRenewalGivesEachValueAnotherLifetime, in the window and among the kept entries, also to a value that has ended and is
// still there.
func TestRenewalGivesEachValueAnotherLifetime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache[string](t, Config{})
		kept, window, other := digest(1), digest(2), digest(3)
		c.Set(kept, 0, "v", 0, time.Minute)
		c.limits.window = 0
		c.Set(window, 0, "v", 0, time.Minute)
		c.settle()
		c.Set(other, 0, "w", 0, time.Minute)
		found := func(want ...bool) {
			t.Helper()
			for i, k := range []Key{kept, window, other} {
				if _, ok := c.Get(&k); ok != want[i] {
					t.Errorf("key %d: found %v", i+1, ok)
				}
			}
		}
		renew := func(d time.Duration) {
			c.Renew(func(v string) (time.Duration, bool) { return d, v == "v" })
		}
		time.Sleep(time.Minute)
		found(false, false, false)
		renew(time.Hour)
		found(true, true, false)
		time.Sleep(time.Hour)
		found(false, false, false)
		renew(time.Hour)
		renew(time.Second)
		time.Sleep(time.Second)
		found(false, false, false)
		examine(t, c)
		if c.Sweep(); c.Stats().Entries != 0 {
			t.Error("what has ended is not swept")
		}
	})
}

func TestNoLifetimeIsARemoval(t *testing.T) {
	for _, lifetime := range []time.Duration{0, -1, -time.Hour, -1 << 63} {
		t.Run(lifetime.String(), func(t *testing.T) {
			c := newCache[string](t, Config{})
			r := NewRecent[string](8, nil)
			k := digest(1)
			for range 2 { // once in the window, once kept
				c.Set(k, 0, "old", 0, time.Hour)
				r.Set(k, "old", time.Hour)
				c.Set(k, 0, "new", 0, lifetime)
				r.Set(k, "new", lifetime)
				if v, ok := c.Get(&k); ok {
					t.Errorf("found %q", v)
				}
				if v, ok := r.Get(&k); ok {
					t.Errorf("recent: found %q", v)
				}
				c.limits.window = 0
			}
			if n := c.Stats().Entries; n != 0 {
				t.Errorf("%d entries", n)
			}
			examine(t, c)
		})
	}
}

func TestLifetimesAreJitteredDownwardOnly(t *testing.T) {
	clock := &handClock{}
	c := newCache[int](t, Config{MaxBytes: 4 << 20, Jitter: 10, Now: clock.now})
	const n = 2000
	present := func() (n int) {
		for i := range uint64(2000) {
			k := digest(i)
			if _, ok := c.Get(&k); ok {
				n++
			}
		}
		return n
	}
	for i := range uint64(n) {
		c.Set(digest(i), i, 0, 0, 100*time.Second)
	}
	c.settle()
	for _, tt := range []struct {
		after    time.Duration
		min, max int
	}{
		{90 * time.Second, n * 99 / 100, n},
		{95 * time.Second, n * 45 / 100, n * 55 / 100},
		{100*time.Second - 10*time.Millisecond, 0, n / 100},
		{100 * time.Second, 0, 0},
	} {
		clock.advance(tt.after - time.Duration(clock.nanoseconds.Load()))
		if got := present(); got < tt.min || got > tt.max {
			t.Errorf("after %v: %d entries of %d, want %d to %d", tt.after, got, n, tt.min, tt.max)
		}
	}
}

func TestLongestLifetimeDoesNotOverflow(t *testing.T) {
	clock := &handClock{}
	c := newCache[int](t, Config{Now: clock.now, Jitter: maxJitter})
	clock.advance(time.Hour)
	k := Key{8: 0xff, 9: 0xff}
	c.Set(k, 0, 1, 0, 1<<63-1)
	clock.advance(100 * 365 * 24 * time.Hour)
	if _, ok := c.Get(&k); !ok {
		t.Error("not found")
	}
}

func TestExpiredEntriesAreSwept(t *testing.T) {
	clock := &handClock{}
	const n = 1000
	fill := func(t *testing.T) *Cache[int] {
		c := newCache[int](t, Config{MaxBytes: 4 << 20, Now: clock.now})
		for i := range uint64(n) {
			c.Set(digest(i), i, 0, 0, time.Minute)
		}
		c.settle()
		clock.advance(time.Minute)
		return c
	}
	t.Run("by Sweep, all of them", func(t *testing.T) {
		c := fill(t)
		c.Set(digest(n), n, 0, 0, time.Minute)
		if swept := c.Sweep(); swept < n-sweepPerSet-1 {
			t.Errorf("swept %d of %d", swept, n) // Set has swept the rest.
		}
		if s := c.Stats(); s.Entries != 1 || s.Expired != n {
			t.Errorf("%+v", s)
		}
		examine(t, c)
	})
	t.Run("by Set, two at a time", func(t *testing.T) {
		c := fill(t)
		kept := c.kept.len
		if kept == 0 {
			t.Fatal("nothing was kept")
		}
		for range kept/sweepPerSet + 1 {
			c.Set(digest(n), n, 0, 0, time.Minute)
		}
		if s := c.Stats(); s.Expired < uint64(kept) {
			t.Errorf("swept %d of %d", s.Expired, kept)
		}
		examine(t, c)
	})
}
