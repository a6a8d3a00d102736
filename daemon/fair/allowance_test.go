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
		a := NewAllowance(time.Now, burst, time.Second, 100)
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
		a := NewAllowance(time.Now, 2, time.Second, most)
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
