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
