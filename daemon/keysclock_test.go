package daemon

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/neonauthd/neonauthd/daemon/clock/clocktest"
	"github.com/neonauthd/neonauthd/daemon/standin"
)

// hourly runs test in a bubble with keysets that have fetched once and need no
// refresh for about an hour.
func hourly(t *testing.T, test func(*keysBench)) {
	synctest.Test(t, func(t *testing.T) {
		b := newKeysBench(t, keysStore{})
		b.upstream.SetCaching(standin.Stack, "max-age=3600", false)
		b.start()
		defer b.stop()
		b.sleep(time.Minute)
		test(b)
	})
}

// hit does what a lookup does that memory answers.
func (b *keysBench) hit() (usable bool) {
	_, usable = b.inUse(b.clock.Now())
	synctest.Wait()
	return usable
}

// TestAfterASleepOrAStepAheadTheKeySetIsFetchedAtOnce: when it went by a timer
// that stands still in sleep, a key withdrawn meanwhile was good for most of the
// hour, and a set older than a day made all lookups unknown for as long.
func TestAfterASleepOrAStepAheadTheKeySetIsFetchedAtOnce(t *testing.T) {
	for name, move := range map[string]func(*clocktest.Clock){
		"a sleep of two hours":      func(c *clocktest.Clock) { c.Sleep(2 * time.Hour) },
		"a sleep of eight hours":    func(c *clocktest.Clock) { c.Sleep(8 * time.Hour) },
		"a sleep of a weekend":      func(c *clocktest.Clock) { c.Sleep(60 * time.Hour) },
		"a step of eight hours":     func(c *clocktest.Clock) { c.Step(8 * time.Hour) },
		"a step of thirty days":     func(c *clocktest.Clock) { c.Step(30 * 24 * time.Hour) },
		"a step back, and a sleep":  func(c *clocktest.Clock) { c.Step(-time.Hour); c.Sleep(8 * time.Hour) },
		"asleep for an hour, twice": func(c *clocktest.Clock) { c.Sleep(time.Hour); c.Sleep(time.Hour) },
	} {
		for asked, ask := range map[string]func(*keysBench){
			"nobody asks":             func(b *keysBench) { b.sleep(keysLook) },
			"a lookup hits":           func(b *keysBench) { b.hit() },
			"a lookup finds no set":   func(b *keysBench) { b.seek(b.t.Context(), "", b.current.Load()); synctest.Wait() },
			"one under a known key":   func(b *keysBench) { b.hit(); b.look(b.signer()) },
			"one under a new key":     func(b *keysBench) { b.upstream.Rotate(standin.Stack, false); b.look(b.signer()) },
			"one under a made-up key": func(b *keysBench) { b.look(bogus(1)) },
		} {
			t.Run(name+", "+asked, func(t *testing.T) {
				hourly(t, func(b *keysBench) {
					old := b.current.Load()
					withdrawn := b.signer()
					b.upstream.Rotate(standin.Stack, false)
					b.upstream.WithdrawKey(withdrawn)
					move(b.clock)
					ask(b)
					b.wantFetched("after it", 2)
					if k, now := b.current.Load(), b.clock.Now(); k == old || !k.usable(now) || k.stale(now) {
						t.Error("the set in use is not a fresh one")
					}
					if !old.set.Find(withdrawn).Withdrawn() {
						t.Error("a key that was withdrawn meanwhile is still good")
					}
					b.sleep(30 * time.Minute)
					b.wantFetched("half an hour later", 2)
				})
			})
		}
	}
}

// TestDuringAnOutageASleepHurriesNobody: hits under a stale set ask for its
// refresh in the rhythm of failing fetches alone.
func TestDuringAnOutageASleepHurriesNobody(t *testing.T) {
	hourly(t, func(b *keysBench) {
		b.behave(0, down(0))
		b.clock.Sleep(8 * time.Hour)
		for range 600 {
			if !b.hit() {
				t.Fatal("a set of eight hours is not usable")
			}
			b.sleep(time.Second)
		}
		if n := b.fetched(); n < 10 || n > 25 {
			t.Errorf("%d fetches in ten minutes", n)
		}
		b.clock.Sleep(24 * time.Hour)
		before := b.fetched()
		for range 600 {
			if b.hit() {
				t.Fatal("a set of more than a day is usable")
			}
			if f, wait := b.seek(b.t.Context(), "", b.current.Load()); f != keysPending || wait <= 0 || wait > keysMaxBackoff {
				t.Fatalf("without a usable set: finding %d, ask again after %s", f, wait)
			}
			b.sleep(time.Second)
		}
		if n := b.fetched() - before; n > 15 {
			t.Errorf("%d fetches in ten minutes without a usable set", n)
		}
		b.behave(0, nil)
		b.sleep(keysMaxBackoff)
		if !b.hit() {
			t.Error("not fetched within a minute of the upstream's return")
		}
	})
}

// TestAStepBackDelaysNoFetch and makes no set younger.
func TestAStepBackDelaysNoFetch(t *testing.T) {
	for _, back := range []time.Duration{time.Minute, time.Hour, 8 * time.Hour, 30 * 24 * time.Hour} {
		t.Run(back.String(), func(t *testing.T) {
			hourly(t, func(b *keysBench) {
				b.clock.Step(-back)
				b.hit()
				b.wantFetched("at once", 1)
				b.sleep(58 * time.Minute)
				b.wantFetched("within the hour", 2)
				b.behave(0, down(0))
				b.sleep(time.Hour)
				if k := b.current.Load(); !k.stale(b.clock.Now()) {
					t.Error("an hour later it is fresh")
				}
				b.sleep(23 * time.Hour)
				if b.hit() {
					t.Error("a day later it is usable")
				}
			})
		})
	}
}

// TestAMomentaryStepAheadCostsOneFetch whatever it made of the ages.
func TestAMomentaryStepAheadCostsOneFetch(t *testing.T) {
	for _, ahead := range []time.Duration{2 * time.Hour, 30 * 24 * time.Hour} {
		for _, lasts := range []time.Duration{0, time.Second, time.Minute, 20 * time.Minute} {
			t.Run(ahead.String()+" for "+lasts.String(), func(t *testing.T) {
				hourly(t, func(b *keysBench) {
					b.clock.Step(ahead)
					b.hit()
					b.sleep(lasts)
					b.clock.Step(-ahead)
					for range 30 {
						if !b.hit() || b.current.Load().stale(b.clock.Now()) {
							t.Fatal("not fresh afterwards")
						}
						b.sleep(time.Minute)
					}
					b.wantFetched("in all", 2)
				})
			})
		}
	}
}

// TestASetIsAsOldAsTheQuestion: the host may sleep while the answer is on its
// way.
func TestASetIsAsOldAsTheQuestion(t *testing.T) {
	hourly(t, func(b *keysBench) {
		b.behave(3*time.Second, nil)
		b.clock.Sleep(time.Hour)
		b.hit() // its refresh goes out
		b.sleep(time.Second)
		b.clock.Sleep(8 * time.Hour)
		b.sleep(2 * time.Second) // and comes back
		b.wantFetched("before and after the second sleep", 3)
		if k := b.current.Load(); !k.stale(b.clock.Now()) {
			t.Error("the answer of before the sleep is fresh")
		}
		b.sleep(3 * time.Second)
		if k := b.current.Load(); k.stale(b.clock.Now()) {
			t.Error("the answer to the next question is not fresh")
		}
	})
}

// TestASavedKeySetIsUsedOnceTheClockIsRight that was ahead at the start, during an
// outage. Nothing about it is decided for good by that start.
func TestASavedKeySetIsUsedOnceTheClockIsRight(t *testing.T) {
	for name, right := range map[string]bool{"set right": true, "left wrong": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := newKeysStore(openStateDir(t), "main", keysOrigin)
				b := newKeysBench(t, store)
				b.start()
				b.sleep(time.Minute)
				b.stop()
				again := newKeysBench(t, store)
				again.clock.Step(30 * 24 * time.Hour)
				again.keysets = newKeysets(&keysets{
					fetch: again.ask, allowed: b.allowed, refresh: b.refresh, maxAge: b.maxAge, cooldown: b.cooldown,
					store: store, now: again.clock.Now, log: slog.New(slog.NewTextHandler(again.log, nil)),
				})
				again.behave(0, down(0))
				again.start()
				defer again.stop()
				again.sleep(10 * time.Minute)
				if again.current.Load() != nil {
					t.Error("a set is used that is 30 days old by the clock")
				}
				if right {
					again.clock.Step(-30 * 24 * time.Hour)
				}
				again.sleep(2 * time.Minute)
				if k := again.current.Load(); (k != nil) != right {
					t.Errorf("in use: %v", k != nil)
				}
			})
		})
	}
}
