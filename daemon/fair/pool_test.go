package fair

import (
	"sync"
	"testing"
)

func TestAPoolIsDividedAndHadAgain(t *testing.T) {
	p := NewPool(Shares{Total: 10, Each: 6, Kept: 3})
	for _, c := range []struct{ who, want uint32 }{{1, 6}, {2, 1}, {3, 1}, {4, 1}, {5, 1}, {6, 0}} {
		got := uint32(0)
		for p.Take(ID{UID: c.who}) {
			got++
		}
		if got != c.want {
			t.Errorf("caller %d gets %d, want %d", c.who, got, c.want)
		}
	}
	p.Give(ID{UID: 1})
	if p.Take(ID{UID: 1}) || !p.Take(ID{UID: 6}) || p.Take(ID{UID: 7}) || p.Taken() != p.Total() {
		t.Error("one that was given back is not had by who has none, or had twice")
	}
}

func TestAPoolForgetsWhoHasNothing(t *testing.T) {
	p := NewPool(Shares{Total: 100, Each: 10})
	var all sync.WaitGroup
	for pid := range int32(8) {
		all.Go(func() {
			for range 1000 {
				if who := (ID{PID: pid}); p.Take(who) {
					p.Give(who)
				} else {
					t.Error("nothing is had though nearly all is free")
				}
			}
		})
	}
	all.Wait()
	if p.Taken() != 0 || len(p.own) != 0 {
		t.Errorf("%d are taken, %d callers are remembered", p.Taken(), len(p.own))
	}
}

// TestOneOfManyAskersOfACallerHasAPart: the last one of the eighth that an asker
// may have, and the next one.
func TestOneOfManyAskersOfACallerHasAPart(t *testing.T) {
	p := NewPool(Shares{Total: 100, Each: 24})
	for _, c := range []struct {
		who  string
		want int
	}{{"1a", 3}, {"1b", 3}, {"1", 18}, {"1c", 0}, {"2a", 3}} {
		got := 0
		for p.TakeFor(asker(c.who)) {
			got++
		}
		if got != c.want {
			t.Errorf("%s gets %d, want %d", c.who, got, c.want)
		}
	}
	p.GiveFor(asker("1a"))
	if p.TakeFor(asker("1b")) || !p.TakeFor(asker("1a")) {
		t.Error("what one gave back is had by another that has its part, or not by itself")
	}
	for _, who := range []string{"1a", "1a", "1a", "1b", "1b", "1b", "2a", "2a", "2a"} {
		p.GiveFor(asker(who))
	}
	if len(p.parts) != 0 || p.Taken() != 18 {
		t.Errorf("%d askers are remembered, %d are taken", len(p.parts), p.Taken())
	}
}
