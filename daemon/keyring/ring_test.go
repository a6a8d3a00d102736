package keyring

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/daemon/upstream"
)

func TestKeysAreRefreshedInTheRhythmThatTheUpstreamAsksForWithinBounds(t *testing.T) {
	for _, c := range []struct {
		caching string
		want    time.Duration
	}{
		{"", 10 * time.Minute},
		{"max-age=0", time.Minute},
		{"max-age=59", time.Minute},
		{"max-age=60", time.Minute},
		{"max-age=61", 61 * time.Second},
		{"max-age=3599", time.Hour - time.Second},
		{"max-age=3600", time.Hour},
		{"max-age=3601", time.Hour},
		{"max-age=86400", time.Hour},
		{"max-age=99999999", time.Hour},
	} {
		t.Run(c.caching, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newRig(t, Store{})
				b.upstream.SetCaching(standin.Stack, c.caching, false)
				b.behave(3*time.Second, nil)
				b.start()
				defer b.stop()
				b.sleep(10 * c.want)
				all := b.history()
				if len(all) < 10 {
					t.Fatalf("only %d fetches", len(all))
				}
				for i := 1; i < len(all); i++ {
					// A set is as old as the question that it answers.
					if gap := all[i].at - all[i-1].at; gap < c.want*84/100 || gap > c.want*96/100 {
						t.Errorf("asked again after %s, want a little less than %s", gap, c.want)
					}
				}
			})
		})
	}
}

func TestNothingIsStaleWhileRefreshesWork(t *testing.T) {
	bench(t, func(b *rig) {
		b.behave(3*time.Second, nil)
		for range 3600 {
			b.sleep(5 * time.Second)
			if k := b.current.Load(); k.Stale(time.Now()) || !k.Usable(time.Now()) {
				t.Fatal("stale although every refresh has worked")
			}
		}
	})
}

func TestKeysAreStaleAfterTheirFreshTimeAndDeadAfterADay(t *testing.T) {
	bench(t, func(b *rig) {
		b.behave(0, down(0))
		for _, c := range []struct {
			at            time.Duration
			stale, usable bool
		}{
			{10*time.Minute - time.Second, false, true},
			{10 * time.Minute, true, true},
			{24*time.Hour - time.Second, true, true},
			{24 * time.Hour, true, false},
		} {
			b.sleep(c.at - time.Since(b.began))
			if k, now := b.current.Load(), time.Now(); k.Stale(now) != c.stale || k.Usable(now) != c.usable {
				t.Errorf("after %s: stale %v, usable %v", c.at, k.Stale(now), k.Usable(now))
			}
		}
		b.behave(0, nil)
		b.sleep(maxBackoff)
		if k, now := b.current.Load(), time.Now(); k.Stale(now) || !k.Usable(now) {
			t.Error("not fetched within a minute of the upstream's return")
		}
	})
}

func TestRefreshesAreConditionalAndKeepTheSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newRig(t, Store{})
		b.upstream.SetCaching(standin.Stack, "", true)
		b.start()
		defer b.stop()
		synctest.Wait()
		first := b.current.Load()
		b.sleep(10 * time.Minute)
		if all := b.history(); len(all) != 2 || all[0].conditional || !all[1].conditional {
			t.Errorf("fetches: %v; want the second one conditional", all)
		}
		second := b.current.Load()
		if second == first || second.set != first.set || !second.fetched.After(first.fetched) || second.validators != first.validators {
			t.Error("not modified: want the same set, confirmed later")
		}
		b.upstream.Rotate(standin.Stack, false)
		b.sleep(10 * time.Minute)
		if b.current.Load().set == first.set || first.set.Keys()[0].Withdrawn() != true {
			t.Error("a modified set was not taken")
		}
	})
}

func TestFailingFetchesBackOffUpToAMinute(t *testing.T) {
	bench(t, func(b *rig) {
		b.behave(0, down(0))
		b.sleep(time.Hour)
		all := b.history()[1:]
		if gap := all[1].at - all[0].at; gap < 500*time.Millisecond || gap > 1500*time.Millisecond {
			t.Errorf("first pause %s, want about a second", gap)
		}
		longest := time.Duration(0)
		for i := 1; i < len(all); i++ {
			longest = max(longest, all[i].at-all[i-1].at)
		}
		if longest > maxBackoff || longest < maxBackoff/2 {
			t.Errorf("longest pause %s, want up to %s", longest, maxBackoff)
		}
		if b.failures != len(all) || b.current.Load() == nil {
			t.Errorf("%d failures are counted, want %d; the set is kept", b.failures, len(all))
		}
		b.behave(0, nil)
		b.sleep(maxBackoff)
		if b.failures != 0 {
			t.Error("failures are still counted after a success")
		}
		b.behave(0, down(0))
		b.sleep(10 * time.Minute)
		all = b.history()
		for i := 1; i < len(all); i++ { // the success is followed by a long pause
			if all[i].at-all[i-1].at > 5*time.Minute && i+1 < len(all) && all[i+1].at-all[i].at > 2*time.Second {
				t.Error("the backoff goes on from before the success")
			}
		}
	})
}

func TestRetryAfterIsHeededUpToABoundUnknownKeysOrNot(t *testing.T) {
	for _, c := range []struct{ asked, least, most time.Duration }{
		{0, 0, 2 * time.Second},
		{4 * time.Minute, 4 * time.Minute, 4*time.Minute + time.Second},
		{24 * time.Hour, upstream.MaxRetryAfter, upstream.MaxRetryAfter + time.Second},
	} {
		t.Run(c.asked.String(), func(t *testing.T) {
			bench(t, func(b *rig) {
				b.sleep(time.Minute)
				b.behave(0, down(c.asked))
				if wait := b.wantLook("first", bogus(0), Pending); c.asked > 0 && wait < c.least {
					t.Errorf("the caller is asked back after %s, want %s", wait, c.least)
				}
				from := b.history()[1].at
				for i := 1; b.fetched() == 2; i++ {
					b.wantLook("again", bogus(i), Pending)
					b.sleep(time.Second)
				}
				if gap := b.history()[2].at - from; gap < c.least || gap > c.most {
					t.Errorf("asked again after %s, want %s to %s", gap, c.least, c.most)
				}
			})
		})
	}
}

func TestABadKeySetNeverReplacesAGoodOne(t *testing.T) {
	odd := `{"kty":"oct","kid":"a","k":"AAAA"}`
	for name, text := range map[string]string{
		"empty":     "",
		"no keys":   `{"keys":[]}`,
		"no set":    `[]`,
		"page":      "<!doctype html><title>Maintenance</title>",
		"cut":       `{"keys":[{"kty":"EC","crv":"P-256","kid":"x","x":"AAAA`,
		"odd alone": `{"keys":[` + odd + `]}`,
		"symmetric": `{"keys":[{"kty":"oct","alg":"HS256","kid":"a","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}]}`,
		"not json":  "\x1f\x8b\x08",
	} {
		t.Run(name, func(t *testing.T) {
			bench(t, func(b *rig) {
				good := b.current.Load()
				b.behave(0, body(text))
				b.sleep(time.Hour)
				if b.current.Load() != good || good.set.Keys()[0].Withdrawn() {
					t.Error("it replaced the good set")
				}
				if b.failures < 2 {
					t.Errorf("%d failures are counted", b.failures)
				}
			})
		})
	}
}

func TestOddKeysBesideGoodOnesHarmNobody(t *testing.T) {
	bench(t, func(b *rig) {
		good := b.current.Load()
		b.upstream.Inject(standin.Keys, standin.Fault{Kind: standin.OddKeys})
		b.sleep(10 * time.Minute)
		next := b.current.Load()
		if next == good || len(next.set.Skipped()) == 0 {
			t.Fatal("the set with odd keys was not taken")
		}
		for _, k := range good.set.Keys() {
			if next.set.Find(k.ID()) != k || k.Withdrawn() {
				t.Errorf("key %s is another record now, or withdrawn", k.ID())
			}
		}
	})
}

func TestKeysThatVanishAreWithdrawnAtOnceAndOthersLiveOn(t *testing.T) {
	bench(t, func(b *rig) {
		first := b.current.Load().set
		b.upstream.Rotate(standin.Stack, true)
		b.sleep(10 * time.Minute)
		second := b.current.Load().set
		for _, k := range first.Keys() {
			if k.Withdrawn() || second.Find(k.ID()) != k {
				t.Error("a key that is still published is withdrawn, or another record")
			}
		}
		gone := first.Keys()[0].ID()
		if !b.upstream.WithdrawKey(gone) {
			t.Fatal("nothing to withdraw")
		}
		b.sleep(10 * time.Minute)
		for _, k := range first.Keys() {
			if k.Withdrawn() != (k.ID() == gone) {
				t.Errorf("key %s: withdrawn %v", k.ID(), k.Withdrawn())
			}
		}
	})
}

func TestWhoWaitsIsReleasedWhenTheRunEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newRig(t, Store{})
		b.behave(time.Hour, nil)
		found := make(chan SeekResult, 2)
		for _, kid := range []string{"", "some"} {
			go func() {
				f, _ := b.look(kid)
				found <- f
			}()
		}
		synctest.Wait()
		b.start()
		b.sleep(time.Second)
		b.stop()
		for range 2 {
			if f := <-found; f != Pending {
				t.Errorf("finding %d, want pending", f)
			}
		}
		if since := time.Since(b.began); since > time.Second {
			t.Errorf("released after %s", since)
		}
		b.wantLook("after the end", "other", Pending)
		b.wantFetched("in all", 1)
	})
}

func TestBeforeTheFirstSetAllWaitForTheOneFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newRig(t, Store{})
		b.behave(2*time.Second, nil)
		found := make(chan SeekResult, 100)
		for range cap(found) {
			go func() {
				f, _ := b.look("")
				found <- f
			}()
		}
		b.start()
		defer b.stop()
		for range cap(found) {
			if f := <-found; f != Changed {
				t.Fatalf("finding %d, want changed", f)
			}
		}
		b.wantFetched("for all", 1)
	})
}

// TestADiskThatHangsDelaysNoKeys: tokens of a new key are verified, and clients are told to
// forget those of a withdrawn one, before the set is saved.
func TestADiskThatHangsDelaysNoKeys(t *testing.T) {
	var withdrawn []string
	told := func(c *Config) {
		c.Withdrawn = func(keys []*keyset.Key) {
			for _, k := range keys {
				withdrawn = append(withdrawn, k.ID())
			}
		}
	}
	benchWith(t, told, func(b *rig) {
		disk, saved := make(chan struct{}), 0
		b.save = func(*Snapshot) error {
			<-disk
			saved++
			return nil
		}
		for range 3 {
			before := b.signer()
			b.upstream.Rotate(standin.Stack, false)
			b.wantLook("a new key", b.signer(), Changed)
			synctest.Wait()
			if !slices.Contains(withdrawn, before) || saved != 0 {
				t.Errorf("told of %v, saved %d times", withdrawn, saved)
			}
			b.sleep(b.config().Cooldown)
		}
		if _, usable := b.Current(b.clock.Now()); !usable {
			t.Error("there is no set")
		}
		close(disk)
		synctest.Wait()
		if saved != 2 {
			t.Errorf("saved %d times, not the set whose save hung and the newest one", saved)
		}
	})
}
