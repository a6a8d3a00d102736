package keyring

import (
	"crypto/sha256"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/daemon/upstream"
)

// all asks for n key ids at the same time and counts the results.
func (b *rig) all(n int, kid func(int) string) map[SeekResult]int {
	var mu sync.Mutex
	var wg sync.WaitGroup
	found := map[SeekResult]int{}
	for i := range n {
		wg.Go(func() {
			f, _ := b.look(kid(i))
			mu.Lock()
			defer mu.Unlock()
			found[f]++
		})
	}
	wg.Wait()
	return found
}

func TestAThousandBogusKeyIDsCostOneFetchPerCooldown(t *testing.T) {
	bench(t, func(b *rig) {
		b.sleep(time.Minute)
		b.behave(time.Second, nil)
		b.all(1000, bogus)
		b.wantFetched("at once", 2)
		for i := range 1000 {
			b.look(bogus(1000 + i))
		}
		b.wantFetched("one after the other, in the cooldown", 2)
		b.sleep(b.config().Cooldown)
		b.wantFetched("after the cooldown", 3)
		b.wantLook("decided by the deferred fetch", bogus(1000), Absent)
		b.wantFetched("in the end", 3)
	})
}

func TestInTheCooldownTheAnswerIsPendingUntilTheDeferredFetchHasRun(t *testing.T) {
	bench(t, func(b *rig) {
		b.sleep(time.Minute)
		b.wantLook("first", bogus(1), Absent)
		b.sleep(10 * time.Second)
		if wait := b.wantLook("in the cooldown", bogus(2), Pending); wait != 20*time.Second {
			t.Errorf("told to come again after %s, want 20s", wait)
		}
		b.wantLook("known to be absent", bogus(1), Absent)
		b.wantFetched("in the cooldown", 2)
		b.sleep(20 * time.Second)
		b.wantFetched("deferred", 3)
		b.wantLook("then", bogus(2), Absent)
		b.wantFetched("then", 3)
	})
}

func TestRotationIsFollowedAtOnceOutsideTheCooldown(t *testing.T) {
	bench(t, func(b *rig) {
		b.sleep(time.Minute)
		b.upstream.Rotate(standin.Stack, false)
		began := time.Now()
		b.wantLook("rotated", b.signer(), Changed)
		if took := time.Since(began); took > time.Second {
			t.Errorf("took %s", took)
		}
		if b.current.Load().set.Find(b.signer()) == nil {
			t.Error("the new key is not there")
		}
	})
}

func TestRotationInTheCooldownIsFollowedWhenItEnds(t *testing.T) {
	bench(t, func(b *rig) {
		b.sleep(time.Minute)
		b.wantLook("junk", bogus(1), Absent)
		b.upstream.Rotate(standin.Stack, false)
		wait := b.wantLook("rotated", b.signer(), Pending)
		if wait > b.config().Cooldown {
			t.Errorf("told to come again after %s", wait)
		}
		tried := b.current.Load()
		b.sleep(wait)
		if f, _ := b.Seek(t.Context(), &Search{}, b.signer(), tried); f != Changed {
			t.Errorf("when told to come: finding %d", f)
		}
	})
}

func TestARefreshInItsRhythmLeavesTheCooldownAlone(t *testing.T) {
	bench(t, func(b *rig) {
		for b.fetched() < 2 {
			b.sleep(time.Second)
		}
		b.upstream.Rotate(standin.Stack, false)
		b.wantLook("right after a refresh", b.signer(), Changed)
		b.wantFetched("in all", 3)
	})
}

// TestAFetchUnderWayProvesNothingAboutWhoeverComesDuringIt: a key that is
// published after the upstream has made its answer is not in the answer.
func TestAFetchUnderWayProvesNothingAboutWhoeverComesDuringIt(t *testing.T) {
	bench(t, func(b *rig) {
		b.behave(2*time.Second, nil)
		for b.fetched() < 2 {
			b.sleep(time.Second) // until a refresh is in progress
		}
		b.upstream.Rotate(standin.Stack, false)
		b.wantLook("asked during a refresh", b.signer(), Changed)
		b.wantFetched("the refresh and one more", 3)

		b.sleep(time.Minute)
		go b.look(bogus(1))
		b.sleep(time.Second)
		b.upstream.Rotate(standin.Stack, false)
		kid := b.signer()
		b.wantLook("asked during a forced fetch", kid, Pending)
		b.sleep(b.config().Cooldown)
		b.sleep(2 * time.Second)
		if b.current.Load().set.Find(kid) == nil {
			t.Error("the deferred fetch has not brought the key")
		}
	})
}

// TestTenMinutesOfBogusKeyIDs counts the fetches, including refreshes, during a
// flood of different key ids.
func TestTenMinutesOfBogusKeyIDs(t *testing.T) {
	for _, c := range []struct {
		name    string
		latency time.Duration
		up      bool
	}{
		{"upstream up", 50 * time.Millisecond, true},
		{"upstream down", 0, false},
		{"upstream hangs", 3 * time.Second, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			bench(t, func(b *rig) {
				b.sleep(time.Minute)
				if c.up {
					b.behave(c.latency, nil)
				} else {
					b.behave(c.latency, down(0))
				}
				before := b.fetched()
				for i := range 6000 {
					for n := range 5 {
						go b.look(bogus(5*i + n))
					}
					b.sleep(100 * time.Millisecond)
				}
				if n := b.fetched() - before; n > 23 {
					t.Errorf("%d fetches in ten minutes", n)
				}
				b.wantBounded()
			})
		})
	}
}

// wantBounded fails if more key ids are remembered than allowed.
func (b *rig) wantBounded() {
	b.t.Helper()
	b.locked(func() {
		if len(b.wanted) > MaxWanted || len(b.absent) > maxAbsent || b.waiting.Taken() > b.waiting.Total() {
			b.t.Errorf("%d wanted, %d absent, %d waiting", len(b.wanted), len(b.absent), b.waiting.Taken())
		}
	})
}

// locked runs f with the ring's lock held.
func (b *rig) locked(f func()) {
	b.Ring.mu.Lock()
	defer b.Ring.mu.Unlock()
	f()
}

func TestWhatIsRememberedOfKeyIDsIsBounded(t *testing.T) {
	bench(t, func(b *rig) {
		b.retime(func(r *Rhythm) { r.Cooldown = 100 * time.Millisecond })
		b.behave(20*time.Millisecond, nil)
		for i := range 50 {
			b.all(1500, func(n int) string { return bogus(1500*i + n) })
			b.wantBounded()
			b.sleep(100 * time.Millisecond)
		}
		b.locked(func() {
			if len(b.absent) < maxAbsent/2 {
				t.Errorf("only %d: the bound is not put to the test", len(b.absent))
			}
		})
		b.sleep(10 * time.Minute)
		b.sleep(10 * time.Minute)
		b.locked(func() {
			if len(b.absent) > 0 {
				t.Errorf("%d key ids are remembered for ever", len(b.absent))
			}
		})
	})
}

func TestFewerWaitForUnknownKeysThanThereAreFlights(t *testing.T) {
	bench(t, func(b *rig) {
		b.sleep(time.Minute)
		b.behave(3*time.Second, nil)
		done := make(chan struct{})
		go func() {
			defer close(done)
			b.all(5000, bogus)
		}()
		b.sleep(time.Second)
		b.locked(func() {
			if b.waiting.Taken() != fair.NewKeys().Each {
				t.Errorf("%d wait, want %d", b.waiting.Taken(), fair.NewKeys().Each)
			}
		})
		<-done
		b.locked(func() {
			if b.waiting.Taken() != 0 {
				t.Errorf("%d are counted as waiting for ever", b.waiting.Taken())
			}
		})
	})
}

func TestALookupThatLeavesIsPendingAndKillsNoFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newRig(t, Store{})
		b.start()
		defer b.stop()
		b.sleep(time.Minute)
		b.behave(10*time.Second, nil)
		b.upstream.Rotate(standin.Stack, false)
		b.wantLook("leaves after five seconds", b.signer(), Pending)
		b.sleep(5 * time.Second)
		if b.current.Load().set.Find(b.signer()) == nil {
			t.Error("the fetch did not go on")
		}
		b.locked(func() {
			if b.waiting.Taken() != 0 {
				t.Errorf("%d are counted as waiting", b.waiting.Taken())
			}
		})
	})
}

// TestAKeyThatHasComeIsNoLongerAbsent: a later fetch may find a key that an
// earlier one did not.
func TestAKeyThatHasComeIsNoLongerAbsent(t *testing.T) {
	bench(t, func(b *rig) {
		b.retime(func(r *Rhythm) { r.Cooldown = time.Second })
		before := b.call(upstream.Validators{}).Body.String()
		b.upstream.Rotate(standin.Stack, false)
		kid := b.signer()
		b.behave(0, body(before))
		b.wantLook("not yet published", kid, Absent)
		b.behave(0, nil)
		b.sleep(b.config().Cooldown)
		b.wantLook("another one", bogus(1), Absent)
		if b.current.Load().set.Find(kid) == nil || b.Known(kid, b.current.Load()) == Absent {
			t.Error("the key is in the set, and is said not to be")
		}
	})
}

// TestAKeyThatIsPublishedLaterIsFoundAfterTheCooldown: "not there" is not said longer
// than another fetch is forbidden.
func TestAKeyThatIsPublishedLaterIsFoundAfterTheCooldown(t *testing.T) {
	for _, cooldown := range []time.Duration{100 * time.Millisecond, time.Second, 5 * time.Second, 30 * time.Second, time.Hour} {
		t.Run(cooldown.String(), func(t *testing.T) {
			benchWith(t, func(c *Config) { c.Cooldown = cooldown }, func(b *rig) {
				before := b.call(upstream.Validators{}).Body.String()
				b.upstream.Rotate(standin.Stack, false)
				kid := b.signer()
				b.behave(0, body(before))
				b.wantLook("not yet published", kid, Absent)
				b.behave(0, nil)
				b.sleep(max(cooldown, minAbsence) + time.Millisecond)
				b.wantLook("published, after the cooldown", kid, Changed)
			})
		})
	}
}

// TestAForgedKeyIDCostsAtMostOneFetchPerCooldown: the same key id again and again causes
// no more fetches than different ones.
func TestAForgedKeyIDCostsAtMostOneFetchPerCooldown(t *testing.T) {
	for _, cooldown := range []time.Duration{100 * time.Millisecond, time.Second, 5 * time.Second, time.Minute} {
		t.Run(cooldown.String(), func(t *testing.T) {
			benchWith(t, func(c *Config) { c.Cooldown, c.Refresh = cooldown, time.Hour }, func(b *rig) {
				const span = 20 * time.Second
				most, before := int(span/cooldown)+1, b.fetched()
				for range 400 {
					b.look(bogus(1))
					b.sleep(span / 400)
				}
				if n := b.fetched() - before; n == 0 || n > most {
					t.Errorf("%d fetches in %s, want at most %d", n, span, most)
				}
			})
		})
	}
}

// TestWhoComesAgainWhenToldGetsAnAnswer: also while other key ids use up every fetch that
// a short cooldown allows.
func TestWhoComesAgainWhenToldGetsAnAnswer(t *testing.T) {
	benchWith(t, func(c *Config) { c.Cooldown = 100 * time.Millisecond }, func(b *rig) {
		for i := range 20 {
			b.look(bogus(2 * i))
			b.sleep(10 * time.Millisecond)
			wait := b.wantLook("in the cooldown", bogus(2*i+1), Pending)
			for range 10 { // a client waits 1 s at least
				b.sleep(max(wait, time.Second) / 10)
				b.look(bogus(-i))
			}
			b.wantLook("when told to come", bogus(2*i+1), Absent)
			b.sleep(time.Second)
		}
	})
}

// TestOnlyAKeyIDThatTheSetLacksCountsAsUnknown: an entry that cannot be used has its id all the
// same, and a token without "kid" names no key.
func TestOnlyAKeyIDThatTheSetLacksCountsAsUnknown(t *testing.T) {
	bench(t, func(b *rig) {
		good := string(b.current.Load().body)
		b.behave(0, body(strings.Replace(good, `"keys":[`, `"keys":[{"kty":"RSA","kid":"short","n":"AAAA","e":"AQAB"},`, 1)))
		b.sleep(10 * time.Minute)
		if n := len(b.current.Load().set.Skipped()); n != 1 {
			t.Fatalf("the set has %d entries that cannot be used, want 1", n)
		}
		digest := sha256.Sum256([]byte("token"))
		for _, c := range []struct {
			what, id string
			want     uint64
		}{
			{"the id of a key", TokenID(b.signer(), digest), 0},
			{"the id of an entry that cannot be used", TokenID("short", digest), 0},
			{"no id", TokenID("", digest), 0},
			{"an id of a token that the set lacks", TokenID("shorter", digest), 1},
			{"an id that the set lacks", "even shorter", 1},
		} {
			before := b.State(b.clock.Now()).UnknownKeyIDs
			b.Seek(b.t.Context(), &Search{}, c.id, b.current.Load())
			if n := b.State(b.clock.Now()).UnknownKeyIDs - before; n != c.want {
				t.Errorf("%s: counted %d times, want %d", c.what, n, c.want)
			}
		}
	})
}

// TestALookupCountsAsOneUnknownKey, also if it waits for two fetches: one that was in progress
// when it came, and its own.
func TestALookupCountsAsOneUnknownKey(t *testing.T) {
	bench(t, func(b *rig) {
		b.sleep(time.Minute)
		b.retime(func(r *Rhythm) { r.Cooldown = time.Millisecond })
		b.behave(time.Second, nil)
		var lookups sync.WaitGroup
		lookups.Go(func() { b.wantLook("first", bogus(1), Absent) })
		b.sleep(time.Second / 2)
		lookups.Go(func() { b.wantLook("during its fetch", bogus(2), Absent) })
		lookups.Wait()
		if n := b.State(b.clock.Now()).UnknownKeyIDs; n != 2 {
			t.Errorf("%d unknown keys are counted, want 2", n)
		}
	})
}
