package client

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestGateLetsInAsManyAsItHasPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const places, calls = 3, 10
		var g gate
		g.ready(places)
		var inside atomic.Int64
		leave := make(chan struct{})
		var wg sync.WaitGroup
		for range calls {
			wg.Go(func() {
				if err := g.enter(t.Context(), time.Now().Add(time.Hour)); err != nil {
					t.Error(err)
					return
				}
				inside.Add(1)
				<-leave
				inside.Add(-1)
				g.exit()
			})
		}
		for left := int64(calls); left > 0; left-- {
			synctest.Wait()
			if n := inside.Load(); n != min(places, left) {
				t.Errorf("%d inside while %d want to be", n, left)
			}
			leave <- struct{}{}
		}
		wg.Wait()
		if free := g.free.Load(); free != places {
			t.Errorf("%d places left of %d", free, places)
		}
	})
}

func TestGateForgetsACallThatGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		g.ready(1)
		later := time.Now().Add(time.Minute)
		if err := g.enter(t.Context(), later); err != nil {
			t.Fatal(err)
		}
		gone, leave := context.WithCancel(t.Context())
		leave()
		if err := g.enter(gone, later); !errors.Is(err, context.Canceled) {
			t.Errorf("a call whose context has ended: %v", err)
		}
		if err := g.enter(t.Context(), later); !errors.Is(err, context.DeadlineExceeded) || time.Now().Before(later) {
			t.Errorf("a call that waits: %v, too early %v", err, time.Now().Before(later))
		}
		g.exit()
		if g.free.Load() != 1 || len(g.handed) != 0 {
			t.Errorf("%d free places, %d handed over to nobody", g.free.Load(), len(g.handed))
		}
	})
}

// TestGateKeepsNobodyWhoGivesUp: the place on its way to a call that gives up
// is taken by one that has just come. The other then waits in its stead, and
// takes its leave.
func TestGateKeepsNobodyWhoGivesUp(t *testing.T) {
	for name, happens := range map[string]func(*gate){
		"another comes and takes the place": func(g *gate) { g.free.Add(-1) },
		"the place comes":                   func(g *gate) { g.handed <- struct{}{} },
	} {
		t.Run(name, func(t *testing.T) {
			var g gate
			g.ready(1)
			g.free.Store(0) // one call waits, and the place of another is on its way to it
			gone := make(chan struct{})
			go func() {
				defer close(gone)
				g.giveUp()
			}()
			happens(&g)
			select {
			case <-gone:
			case <-time.After(10 * time.Second):
				t.Fatal("it is kept waiting")
			}
			if len(g.handed) != 0 {
				t.Error("a place was handed over to nobody")
			}
		})
	}
}

// TestGateLosesNoPlace has calls give up at the very moment at which places
// come free.
func TestGateLosesNoPlace(t *testing.T) {
	const places, calls, turns = 2, 16, 2000
	var g gate
	g.ready(places)
	var wg sync.WaitGroup
	for n := range calls {
		wg.Go(func() {
			for range turns {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(n)*time.Microsecond)
				if g.enter(ctx, time.Now().Add(time.Minute)) == nil {
					g.exit()
				}
				cancel()
			}
		})
	}
	wg.Wait()
	if g.free.Load() != places || len(g.handed) != 0 {
		t.Errorf("%d free places of %d, %d handed over to nobody", g.free.Load(), places, len(g.handed))
	}
}
