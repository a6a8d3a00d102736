package keyring

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/daemon/upstream"
)

// successor returns a ring that has not run, with b's configuration and the changes of set.
func (b *rig) successor(set func(*Config)) *Ring {
	config := *b.config()
	set(&config)
	return New(config)
}

// TestARhythmHoldsAtOnceForTheSetThatThereIs: five minutes after the fetch, of a set that was to be fresh for ten.
func TestARhythmHoldsAtOnceForTheSetThatThereIs(t *testing.T) {
	for name, c := range map[string]struct {
		caching       string
		change        func(*Rhythm)
		due           time.Duration // at the latest, from then on
		atOnce, stale bool
	}{
		"the same":               {"", func(*Rhythm) {}, 5 * time.Minute, false, false},
		"a shorter refresh":      {"", func(r *Rhythm) { r.Refresh = 8 * time.Minute }, 150 * time.Second, false, false},
		"one that is over":       {"", func(r *Rhythm) { r.Refresh = 2 * time.Minute }, 2 * time.Minute, true, true},
		"a longer refresh":       {"", func(r *Rhythm) { r.Refresh = time.Hour }, 55 * time.Minute, false, false},
		"another max age":        {"", func(r *Rhythm) { r.MaxAge = time.Minute }, 5 * time.Minute, false, false},
		"a max age that is over": {"max-age=1800", func(r *Rhythm) { r.MaxAge = 4 * time.Minute }, 4 * time.Minute, true, true},
		"a longer max age":       {"max-age=7200", func(r *Rhythm) { r.MaxAge = 2 * time.Hour }, 115 * time.Minute, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newRig(t, Store{})
				b.upstream.SetCaching(standin.Stack, c.caching, false)
				b.start()
				defer b.stop()
				synctest.Wait()
				b.sleep(5 * time.Minute)
				answer := make(chan struct{})
				b.behave(0, func() (upstream.KeySetResponse, error) {
					<-answer
					return down(0)()
				})
				b.retime(c.change)
				if got := b.current.Load().Stale(b.clock.Now()); got != c.stale {
					t.Errorf("stale: %v", got)
				}
				if got := b.fetched() == 2; got != c.atOnce {
					t.Errorf("fetched at once: %v", got)
				}
				close(answer)
				b.behave(0, nil)
				b.sleep(10 * time.Second) // the failed attempt is repeated
				if due := b.State(b.clock.Now()).Due; due > c.due || due < c.due/2 && !c.atOnce {
					t.Errorf("the next refresh is in %s, want at most %s", due, c.due)
				}
			})
		})
	}
}

func TestACooldownHoldsAtOnce(t *testing.T) {
	bench(t, func(b *rig) {
		b.sleep(time.Minute)
		b.wantLook("first", bogus(1), Absent)
		b.sleep(10 * time.Second)
		b.wantLook("in the cooldown", bogus(2), Pending)
		b.retime(func(r *Rhythm) { r.Cooldown = time.Minute })
		b.sleep(49 * time.Second)
		b.wantFetched("in the longer cooldown", 2)
		b.retime(func(r *Rhythm) { r.Cooldown = 5 * time.Second })
		b.wantFetched("after the shorter cooldown", 3)
		b.wantLook("then", bogus(2), Absent)
	})
}

// TestAPauseAfterAFailureOutlastsAnotherRhythm: the upstream has asked for it.
func TestAPauseAfterAFailureOutlastsAnotherRhythm(t *testing.T) {
	bench(t, func(b *rig) {
		b.behave(0, down(5*time.Minute))
		for b.fetched() < 2 {
			b.sleep(time.Second)
		}
		b.behave(0, nil)
		for i := range 3 {
			b.retime(func(r *Rhythm) { r.Refresh, r.Cooldown = time.Duration(1+i)*time.Second, time.Second })
			if !b.Continue(b.successor(func(c *Config) { c.Cooldown = 2 * time.Second })) {
				t.Fatal("it does not go on")
			}
			b.wantLook("in the pause", bogus(i), Pending)
		}
		b.sleep(4 * time.Minute)
		b.wantFetched("in the pause", 2)
		b.sleep(time.Minute)
		b.wantFetched("after the pause", 3)
	})
}

// TestALookupThatWaitsHasItsKeyAfterAReload: the fetch that it waits for goes on.
func TestALookupThatWaitsHasItsKeyAfterAReload(t *testing.T) {
	bench(t, func(b *rig) {
		b.sleep(time.Minute)
		b.upstream.Rotate(standin.Stack, false)
		b.behave(2*time.Second, nil)
		found := make(chan SeekResult)
		go func() {
			f, _ := b.look(b.signer())
			found <- f
		}()
		b.sleep(time.Second)
		asked := 0
		if !b.Continue(b.successor(func(c *Config) {
			c.Fetch = func(context.Context, upstream.Validators, bool) (upstream.KeySetResponse, error) {
				asked++
				return down(0)()
			}
		})) {
			t.Fatal("it does not go on")
		}
		if f := <-found; f != Changed {
			t.Errorf("finding %d", f)
		}
		b.wantFetched("in the way of before", 2)
		b.sleep(10 * time.Minute)
		b.wantFetched("in the way of before, later", 2)
		if asked == 0 {
			t.Error("nothing is fetched in the new way")
		}
	})
}

func TestARingGoesOnOnlyWithTheSameSet(t *testing.T) {
	origin := Origin{URL: "https://keys.example", Authorities: []string{"a"}}
	of := func(o Origin) func(*Config) { return func(c *Config) { c.Store.origin = o } }
	for name, c := range map[string]struct {
		set          func(*Config)
		goes, forced bool
	}{
		"nothing differs":  {func(*Config) {}, true, true},
		"rhythm":           {func(c *Config) { c.Cooldown, c.Refresh = 1, 1 }, true, true},
		"algorithms":       {func(c *Config) { c.Algorithms = []keyset.Algorithm{keyset.EdDSA} }, false, true},
		"URL":              {of(Origin{URL: "https://other.example", Authorities: []string{"a"}}), false, false},
		"one more trusted": {of(Origin{URL: origin.URL, Authorities: []string{"a", "b"}}), false, false},
		"plain http":       {of(Origin{URL: origin.URL, Authorities: []string{"a"}, PlainHTTP: true}), false, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newRig(t, Store{origin: origin})
				b.start()
				defer b.stop()
				b.sleep(time.Minute)
				b.wantLook("before", bogus(1), Absent)
				next := b.successor(c.set)
				if got := b.Continue(next); got != c.goes {
					t.Fatalf("goes on: %v", got)
				}
				if c.goes {
					return
				}
				next.Inherit(b.Ring)
				if got := next.forced.Equal(b.forced); got != c.forced {
					t.Errorf("the cooldown goes on: %v", got)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		b := newRig(t, Store{})
		b.start()
		b.stop()
		if b.Continue(b.successor(func(*Config) {})) {
			t.Error("a ring goes on that nobody runs")
		}
	})
}

// TestUnknownKeysCostOneFetchInACooldownWhateverIsReloaded makes hundreds of changes in any order, beside lookups.
func TestUnknownKeysCostOneFetchInACooldownWhateverIsReloaded(t *testing.T) {
	for seed := range uint64(20) {
		bench(t, func(b *rig) {
			random := rand.New(rand.NewPCG(seed, 0))
			cooldown := b.config().Cooldown
			b.sleep(time.Minute)
			b.retime(func(r *Rhythm) { r.Refresh, r.MaxAge = 24*time.Hour, 24*time.Hour })
			b.behave(time.Duration(random.IntN(2000))*time.Millisecond, nil)
			before, began := b.fetched(), time.Now()
			var lookups sync.WaitGroup
			for i := range 300 {
				switch random.IntN(3) {
				case 0:
					b.Retime(Rhythm{Refresh: 24*time.Hour + time.Duration(i), MaxAge: 24 * time.Hour, Cooldown: cooldown})
				case 1:
					if !b.Continue(b.successor(func(c *Config) { c.Refresh = 23*time.Hour + time.Duration(i) })) {
						t.Error("it does not go on")
					}
				default:
					lookups.Go(func() {
						_, _ = b.Seek(context.Background(), &Search{}, bogus(i), b.current.Load())
					})
				}
				b.sleep(time.Duration(random.IntN(500)) * time.Millisecond)
			}
			lookups.Wait()
			if n, most := b.fetched()-before, int(time.Since(began)/cooldown)+1; n > most || n == 0 {
				t.Errorf("seed %d: %d fetches in %s", seed, n, time.Since(began))
			}
			calls := b.history()[before:]
			for i := range calls[1:] {
				if gap := calls[i+1].at - calls[i].at; gap < cooldown {
					t.Errorf("seed %d: two fetches within %s", seed, gap)
				}
			}
		})
	}
}

// TestRhythmsAndFetchesAtTheSameTime is for the race detector too: a fetched set is not replaced by the one before it in
// another rhythm.
func TestRhythmsAndFetchesAtTheSameTime(t *testing.T) {
	bench(t, func(b *rig) {
		b.retime(func(r *Rhythm) { r.Cooldown = time.Millisecond })
		for i := range 200 {
			b.upstream.Rotate(standin.Stack, false)
			kid := b.signer()
			var all sync.WaitGroup
			all.Go(func() { b.look(kid) })
			for n := range 3 {
				all.Go(func() {
					b.Retime(Rhythm{Refresh: time.Duration(1+i+n) * time.Hour, MaxAge: time.Hour, Cooldown: time.Millisecond})
				})
			}
			all.Wait()
			b.sleep(10 * time.Millisecond)
			if b.current.Load().set.Find(kid) == nil {
				t.Fatalf("round %d: the new key is not there", i)
			}
		}
	})
}
