package fair

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestAQuietCallerWaitsForOneTurn: a caller with many askers takes a second for each of them, and then
// another caller comes.
func TestAQuietCallerWaitsForOneTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(Shares{Total: 1, Each: 1})
		work := func(asker Asker) {
			if err := g.Enter(t.Context(), asker); err != nil {
				t.Error(err)
			}
			time.Sleep(time.Second)
			g.Leave(asker.ID)
		}
		var greedy sync.WaitGroup
		for range 100 {
			greedy.Go(func() { work(asker("1")) })
		}
		synctest.Wait()
		for range 3 {
			began := time.Now()
			work(asker("2"))
			// The asker inside, one turn of the greedy caller, and the quiet caller's own turn.
			if took := time.Since(began); took > 3*time.Second {
				t.Errorf("the quiet caller is done after %s", took)
			}
		}
		greedy.Wait()
		if g.line.Len() != 0 || g.inside != 0 || len(g.own) != 0 {
			t.Errorf("%d wait, %d are inside, %d callers are remembered", g.line.Len(), g.inside, len(g.own))
		}
	})
}

// TestOneCallerDoesNotFillTheInside: n-1, n and n+1 askers of one caller, and one of another.
func TestOneCallerDoesNotFillTheInside(t *testing.T) {
	g := NewGate(Shares{Total: 3, Each: 2})
	soon, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	for i, want := range []error{nil, nil, context.DeadlineExceeded} {
		if err := g.Enter(soon, asker("1")); err != want {
			t.Errorf("%d of one caller: %v, want %v", i+1, err, want)
		}
	}
	if err := g.Enter(t.Context(), asker("2")); err != nil {
		t.Errorf("another caller: %v", err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := g.Enter(over, asker("3")); err == nil && g.inside > 3 {
		t.Error("more are inside than may be")
	}
	g.Leave(ID{UID: 1})
	if err := g.Enter(t.Context(), asker("1")); err != nil {
		t.Errorf("when one has left: %v", err)
	}
}

// TestNobodyIsLostWhoLeavesWhileLetIn: the waiter's context ends at about the same time as its turn
// comes.
func TestNobodyIsLostWhoLeavesWhileLetIn(t *testing.T) {
	g := NewGate(Shares{Total: 2, Each: 2})
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			who := Asker{ID: ID{UID: uint32(i % 3)}}
			for range 500 {
				ctx, cancel := context.WithCancel(t.Context())
				var racing sync.WaitGroup
				racing.Go(cancel)
				if g.Enter(ctx, who) == nil {
					g.Leave(who.ID)
				}
				racing.Wait()
			}
		})
	}
	all.Wait()
	if g.inside != 0 || len(g.own) != 0 || g.line.Len() != 0 {
		t.Errorf("%d are inside, %d wait when all have gone", g.inside, g.line.Len())
	}
}
