package fair

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// TestAnAllowanceIsEachAskersOwn: n-1, n and n+1 times at once, then one per interval, and a second
// asker.
func TestAnAllowanceIsEachAskersOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const burst = 5
		a := NewAllowance(time.Now, burst, time.Second, Shares{Total: 100, Each: 100})
		take := func(who string) (n int) {
			for a.Allow(asker(who)) {
				n++
			}
			return n
		}
		for _, c := range []struct {
			after time.Duration
			who   string
			want  int
		}{
			{0, "1", burst}, {0, "1", 0}, {0, "1a", burst}, {0, "2", burst},
			{time.Second - 1, "1", 0}, {1, "1", 1}, {2 * time.Second, "1", 2}, {time.Hour, "1", burst},
		} {
			time.Sleep(c.after)
			if got := take(c.who); got != c.want {
				t.Errorf("%s later asker %s gets %d, want %d", c.after, c.who, got, c.want)
			}
		}
	})
}

func TestAskersArePassedByAndForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = 1000
		a := NewAllowance(time.Now, 2, time.Second, Shares{Total: most, Each: most})
		for i := range most + 1 {
			if got := a.Allow(Asker{For: fmt.Sprint(i)}); got != (i < most) {
				t.Fatalf("asker %d of %d is allowed: %v", i+1, most, got)
			}
		}
		if !a.Allow(Asker{For: "0"}) || a.Allow(Asker{For: "0"}) {
			t.Error("who is known has no allowance any more, or another one")
		}
		time.Sleep(time.Second)
		if !a.Allow(Asker{For: "another"}) {
			t.Error("no room though all but one have made up for what they took")
		}
		if a.Allow(Asker{For: "0"}); a.Allow(Asker{For: "0"}) {
			t.Error("who has not made up for it was forgotten")
		}
		for i := range 100 * most {
			time.Sleep(10 * time.Millisecond)
			if !a.Allow(Asker{For: fmt.Sprint("passer", i)}) {
				t.Fatalf("passer-by %d is refused", i)
			}
		}
		if n := len(a.next); n > most {
			t.Errorf("%d are remembered", n)
		}
	})
}

// TestACallerWithManyAskersLeavesRoomForOthers: with the shares of session credentials, a
// caller that names a new asker for each lookup is refused before others are, and gets its
// room back when its askers have made up for what they took.
func TestACallerWithManyAskersLeavesRoomForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := NewAllowance(time.Now, SessionBurst, SessionEvery, SessionAskers())
		allowed := func(uid uint32, label int) bool {
			return a.Allow(Asker{ID: ID{UID: uid}, For: fmt.Sprint(label)})
		}
		for round := range 2 {
			named := 0
			for n := range 2 * SessionAskers().Total {
				if allowed(1000, n) {
					named++
				}
			}
			if named != SessionAskers().Each {
				t.Errorf("round %d: %d askers of one caller are allowed, want %d", round, named, SessionAskers().Each)
			}
			for uid := range uint32(20) {
				if !allowed(2000+uid, 0) {
					t.Errorf("round %d: the first lookup of user %d is refused", round, 2000+uid)
				}
			}
			time.Sleep(2 * SessionEvery)
		}
		if a.Allow(Asker{ID: ID{UID: 3000}}); len(a.own) > 22 {
			t.Errorf("%d callers are remembered", len(a.own))
		}
	})
}

// TestRefusedAskersDoNotEachReadAllOthers: while no asker can be forgotten, only one sweep
// is made per interval.
func TestRefusedAskersDoNotEachReadAllOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = 100
		a := NewAllowance(time.Now, 10, time.Second, Shares{Total: most, Each: most})
		for n := range most {
			a.Allow(Asker{For: fmt.Sprint(n)})
			a.Allow(Asker{For: fmt.Sprint(n)})
		}
		time.Sleep(time.Second)
		a.Allow(Asker{For: "sweeps"})
		swept := a.swept
		time.Sleep(time.Second - 1)
		a.Allow(Asker{For: "does not"})
		if !a.swept.Equal(swept) {
			t.Error("swept twice within the interval")
		}
		time.Sleep(time.Nanosecond)
		if !a.Allow(Asker{For: "sweeps again"}) {
			t.Error("refused though all others have made up for what they took")
		}
	})
}
