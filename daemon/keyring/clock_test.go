package keyring

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/neonauthd/neonauthd/daemon/clock/clocktest"
	"github.com/neonauthd/neonauthd/daemon/standin"
)

// hourly runs test in a synctest bubble, with a ring that has fetched once and needs
// no refresh for about an hour.
func hourly(t *testing.T, test func(*rig)) {
	synctest.Test(t, func(t *testing.T) {
		b := newRig(t, Store{})
		b.upstream.SetCaching(standin.Stack, "max-age=3600", false)
		b.start()
		defer b.stop()
		b.sleep(time.Minute)
		test(b)
	})
}

// hit does what a lookup does if memory answers it.
func (b *rig) hit() (usable bool) {
	_, usable = b.Current(b.clock.Now())
	synctest.Wait()
	return usable
}

// TestAfterASleepOrAStepAheadTheKeySetIsFetchedAtOnce: a timer stands still while
// the host sleeps. With a timer alone, a key that was withdrawn meanwhile would be
// good for most of the hour, and a set older than a day would make all lookups
// unknown for as long.
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
		for asked, ask := range map[string]func(*rig){
			"nobody asks":             func(b *rig) { b.sleep(lookInterval) },
			"a lookup hits":           func(b *rig) { b.hit() },
			"a lookup finds no set":   func(b *rig) { b.Seek(b.t.Context(), &Search{}, "", b.current.Load()); synctest.Wait() },
			"one under a known key":   func(b *rig) { b.hit(); b.look(b.signer()) },
			"one under a new key":     func(b *rig) { b.upstream.Rotate(standin.Stack, false); b.look(b.signer()) },
			"one under a made-up key": func(b *rig) { b.look(bogus(1)) },
		} {
			t.Run(name+", "+asked, func(t *testing.T) {
				hourly(t, func(b *rig) {
					old := b.current.Load()
					withdrawn := b.signer()
					b.upstream.Rotate(standin.Stack, false)
					b.upstream.WithdrawKey(withdrawn)
					move(b.clock)
					ask(b)
					b.wantFetched("after it", 2)
					if k, now := b.current.Load(), b.clock.Now(); k == old || !k.Usable(now) || k.Stale(now) {
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

// TestDuringAnOutageASleepHurriesNobody: hits with a stale set cause a refresh only
// at the intervals of failing fetches.
func TestDuringAnOutageASleepHurriesNobody(t *testing.T) {
	hourly(t, func(b *rig) {
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
			if f, wait := b.Seek(b.t.Context(), &Search{}, "", b.current.Load()); f != Pending || wait <= 0 || wait > maxBackoff {
				t.Fatalf("without a usable set: finding %d, ask again after %s", f, wait)
			}
			b.sleep(time.Second)
		}
		if n := b.fetched() - before; n > 15 {
			t.Errorf("%d fetches in ten minutes without a usable set", n)
		}
		b.behave(0, nil)
		b.sleep(maxBackoff)
		if !b.hit() {
			t.Error("not fetched within a minute of the upstream's return")
		}
	})
}

// TestAStepBackDelaysNoFetch, and makes no set younger.
func TestAStepBackDelaysNoFetch(t *testing.T) {
	for _, back := range []time.Duration{time.Minute, time.Hour, 8 * time.Hour, 30 * 24 * time.Hour} {
		t.Run(back.String(), func(t *testing.T) {
			hourly(t, func(b *rig) {
				b.clock.Step(-back)
				b.hit()
				b.wantFetched("at once", 1)
				b.sleep(58 * time.Minute)
				b.wantFetched("within the hour", 2)
				b.behave(0, down(0))
				b.sleep(time.Hour)
				if k := b.current.Load(); !k.Stale(b.clock.Now()) {
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

// TestAMomentaryStepAheadCostsOneFetch, whatever age the step gave to the sets.
func TestAMomentaryStepAheadCostsOneFetch(t *testing.T) {
	for _, ahead := range []time.Duration{2 * time.Hour, 30 * 24 * time.Hour} {
		for _, lasts := range []time.Duration{0, time.Second, time.Minute, 20 * time.Minute} {
			t.Run(ahead.String()+" for "+lasts.String(), func(t *testing.T) {
				hourly(t, func(b *rig) {
					b.clock.Step(ahead)
					b.hit()
					b.sleep(lasts)
					b.clock.Step(-ahead)
					for range 30 {
						if !b.hit() || b.current.Load().Stale(b.clock.Now()) {
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

// TestASetIsAsOldAsTheQuestion: the host may sleep between the request and the
// answer.
func TestASetIsAsOldAsTheQuestion(t *testing.T) {
	hourly(t, func(b *rig) {
		b.behave(3*time.Second, nil)
		b.clock.Sleep(time.Hour)
		b.hit() // sends the request of the refresh
		b.sleep(time.Second)
		b.clock.Sleep(8 * time.Hour)
		b.sleep(2 * time.Second) // the answer arrives
		b.wantFetched("before and after the second sleep", 3)
		if k := b.current.Load(); !k.Stale(b.clock.Now()) {
			t.Error("the answer of before the sleep is fresh")
		}
		b.sleep(3 * time.Second)
		if k := b.current.Load(); k.Stale(b.clock.Now()) {
			t.Error("the answer to the next question is not fresh")
		}
	})
}

// TestASavedSetIsAsOldAsARightClockSays: whether the set verifies at a start during
// an outage, by the clock at the start, and later.
func TestASavedSetIsAsOldAsARightClockSays(t *testing.T) {
	const h = time.Hour
	for _, c := range []struct {
		name   string
		saving time.Duration // how far the clock was ahead when the set was saved; below 0: behind
		outage time.Duration
		start  time.Duration // how far the clock is ahead at the start
		usable bool
		then   func(*rig)
		after  bool
	}{
		{"right clocks", 0, h, 0, true, func(b *rig) { b.sleep(22 * h) }, true},
		{"right clocks, a day later", 0, h, 0, true, func(b *rig) { b.sleep(23 * h) }, false},
		{"right clocks, slept a day", 0, h, 0, true, func(b *rig) { b.clock.Sleep(23 * h) }, false},
		{"a day old", 0, 24 * h, 0, false, func(b *rig) { b.sleep(time.Minute) }, false},
		{"start ahead, then set right", 0, h, 30 * h, false, func(b *rig) { b.clock.Step(-30 * h) }, true},
		{"start far ahead, then set right", 0, h, 87600 * h, false, func(b *rig) { b.clock.Step(-87600 * h) }, true},
		{"start ahead, and it stays so", 0, h, 30 * h, false, func(b *rig) { b.sleep(h) }, false},
		{"start behind, then set right", 0, h, -2 * h, false, func(b *rig) { b.clock.Step(2 * h) }, true},
		{"start behind, a day old, then set right", 0, 25 * h, -2 * h, true, func(b *rig) { b.clock.Step(2 * h) }, false},
		{"start in 1970, then set right", 0, h, -56 * 8760 * h, false, func(b *rig) { b.clock.Step(56 * 8760 * h) }, true},
		{"start behind, until its clock has caught up", 0, h, -2 * h, false, func(b *rig) { b.sleep(3 * h) }, false},
		{"saved ahead", 20 * h, h, 0, false, func(b *rig) { b.sleep(20 * h) }, false},
		{"saved ahead, start as much ahead", 20 * h, h, 20 * h, true, func(b *rig) { b.sleep(22 * h) }, true},
		{"saved behind", -20 * h, h, 0, true, func(b *rig) { b.sleep(3 * h) }, false},
		{"set back by less than its age", 0, 2 * h, 0, true, func(b *rig) { b.clock.Step(-h) }, true},
		{"set back by more than its age", 0, h, 0, true, func(b *rig) { b.clock.Step(-2 * h) }, false},
		{"set back, a day later", 0, 2 * h, 0, true, func(b *rig) { b.clock.Step(-h); b.sleep(23 * h) }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := NewStore(openStateDir(t), "main", keysOrigin)
				b := newRigAhead(t, store, c.saving)
				b.upstream.SetCaching(standin.Stack, "max-age=3600", false)
				b.start()
				synctest.Wait()
				b.stop()
				b.sleep(c.outage)
				next := newRigAhead(t, store, c.start)
				next.behave(0, down(0))
				next.start()
				defer next.stop()
				synctest.Wait()
				if usable := next.hit(); usable != c.usable {
					t.Errorf("at the start: usable %v, want %v; %s", usable, c.usable, next.log)
				}
				c.then(next)
				next.hit()
				if usable := next.hit(); usable != c.after {
					t.Errorf("then: usable %v, want %v", usable, c.after)
				}
				if k := next.current.Load(); k.Fresh(next.clock.Now()) {
					t.Error("it counts as the upstream's word")
				}
			})
		})
	}
}

// TestASavedSetThatBecomesUsableIsInForceBeforeALookup: readiness and status depend
// on the set in force.
func TestASavedSetThatBecomesUsableIsInForceBeforeALookup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := NewStore(openStateDir(t), "main", keysOrigin)
		b := newRig(t, store)
		b.start()
		synctest.Wait()
		b.stop()
		next := newRigAhead(t, store, 30*time.Hour)
		next.behave(0, down(0))
		next.start()
		defer next.stop()
		next.sleep(time.Minute)
		if next.current.Load() != nil {
			t.Fatal("in force, by a clock that makes it too old")
		}
		next.clock.Step(-30 * time.Hour)
		next.sleep(lookInterval)
		if !next.current.Load().Usable(next.clock.Now()) {
			t.Error("not in force though the clock is right")
		}
	})
}

// TestRefreshesThatNobodyAsksFor is the row of the timetable (package daemon) for
// refreshes that no lookup causes: whether the key set is fetched within seconds
// after the event.
func TestRefreshesThatNobodyAsksFor(t *testing.T) {
	const h = time.Hour
	for name, e := range map[string]struct {
		step, pass, sleep time.Duration
		restart, fetched  bool
	}{
		"a step of ten seconds":          {step: 10 * time.Second},
		"a step of 25 hours":             {step: 25 * h, fetched: true},
		"a step back of an hour":         {step: -h},
		"a step back and an hour passes": {step: -h, pass: h, fetched: true},
		"a sleep of eight hours":         {sleep: 8 * h, fetched: true},
		"a restart":                      {restart: true, fetched: true},
		"a restart, 31 days ahead":       {step: 31 * 24 * h, restart: true, fetched: true},
		"a restart, an hour behind":      {step: -h, restart: true, fetched: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := NewStore(openStateDir(t), "main", keysOrigin)
				b := newRig(t, store)
				b.upstream.SetCaching(standin.Stack, "max-age=3600", false)
				b.start()
				b.sleep(time.Minute)
				before := b.fetched()
				if e.restart {
					b.stop()
					b, before = newRigAhead(t, store, e.step), 0
					b.start()
				} else {
					b.clock.Step(e.step)
					b.clock.Advance(e.pass)
					b.clock.Sleep(e.sleep)
				}
				defer func() { b.stop() }()
				b.sleep(lookInterval)
				if got := b.fetched() > before; got != e.fetched {
					t.Errorf("fetched %v, want %v", got, e.fetched)
				}
			})
		})
	}
}
