package fleet

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestTheCircuitOpensAfterThreeFailuresAndDoubles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClaims(time.Now)
		fail := func() error {
			_, err := c.call(t.Context(), time.Millisecond, func(ctx context.Context) ([]string, error) { <-ctx.Done(); return nil, ctx.Err() })
			return err
		}
		for range failuresToOpen {
			if err := fail(); errors.Is(err, errOpen) {
				t.Fatal("open too early")
			}
		}
		for _, open := range []time.Duration{1, 2, 4, 8, 10, 10} {
			time.Sleep(open*time.Second - 1)
			if err := fail(); !errors.Is(err, errOpen) {
				t.Fatalf("closed before %d s: %v", open, err)
			}
			time.Sleep(time.Nanosecond)
			var tried atomic.Int64
			var all sync.WaitGroup
			for range 5 { // one tries, the others do not
				all.Go(func() {
					if !errors.Is(fail(), errOpen) {
						tried.Add(1)
					}
				})
			}
			if all.Wait(); tried.Load() != 1 {
				t.Fatalf("after %d s %d calls try", open, tried.Load())
			}
		}
		time.Sleep(lastOpen)
		_, err := c.call(t.Context(), time.Second, func(context.Context) ([]string, error) { return nil, nil })
		if err != nil || c.stats().Open || errors.Is(fail(), errOpen) {
			t.Errorf("an answer does not close it: %v", err)
		}
		c.close()
	})
}

// TestCallsThatWereUnderWayOpenTheCircuitOnce: all of them fail by one and the same
// outage. Neither do they end the one call that tries.
func TestCallsThatWereUnderWayOpenTheCircuitOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClaims(time.Now)
		var all sync.WaitGroup
		fail := func(timeout time.Duration) {
			all.Go(func() {
				_, _ = c.call(t.Context(), timeout, func(ctx context.Context) ([]string, error) { <-ctx.Done(); return nil, ctx.Err() })
			})
		}
		for range 10 {
			fail(time.Millisecond)
		}
		fail(1100 * time.Millisecond) // ends while the next call tries
		time.Sleep(2 * time.Millisecond)
		c.mu.Lock()
		if open := time.Until(c.until); open > firstOpen || c.open != 2*firstOpen {
			t.Errorf("open for %s, the next time for %s", open, c.open)
		}
		c.mu.Unlock()
		time.Sleep(firstOpen)
		fail(time.Second)
		time.Sleep(500 * time.Millisecond)
		if got := c.begin(); got != refused {
			t.Errorf("a second call tries: %d", got)
		}
		if all.Wait(); c.open != 4*firstOpen {
			t.Errorf("it opens for %s the next time", c.open)
		}
		c.close()
	})
}

func TestAnAskerThatLeavesSaysNothingOfTheEngine(t *testing.T) {
	c := newClaims(time.Now)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for range 2 * failuresToOpen {
		_, _ = c.call(gone, time.Hour, func(ctx context.Context) ([]string, error) { return nil, ctx.Err() })
	}
	if c.begin() != usual || c.stats().Failed != 0 {
		t.Error("counted as failures of the engine")
	}
	c.group.Done()
	c.close()
}

// TestNoCallBeginsWhileAFleetEnds: lookups in flight at a reload or at a stop still ask
// the fleet that ends. Otherwise they call while it waits for the last call, which a
// WaitGroup answers with a panic, or after it has closed its connections.
func TestNoCallBeginsWhileAFleetEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClaims(time.Now)
		last := make(chan struct{})
		var all sync.WaitGroup
		all.Go(func() {
			_, err := c.call(t.Context(), time.Minute, func(context.Context) ([]string, error) { <-last; return nil, nil })
			if err != nil {
				t.Errorf("the call under way: %v", err)
			}
		})
		synctest.Wait()
		closed := make(chan struct{})
		all.Go(func() { c.close(); close(closed) })
		synctest.Wait()
		late := func(when string) {
			_, err := c.call(t.Context(), time.Minute, func(context.Context) ([]string, error) {
				t.Errorf("%s a call asks the engine", when)
				return nil, nil
			})
			if !errors.Is(err, errOpen) {
				t.Errorf("%s a call ends with %v", when, err)
			}
		}
		late("while the last one is awaited")
		select {
		case <-closed:
			t.Error("a call under way is not awaited")
		default:
		}
		close(last)
		all.Wait()
		late("afterwards")
	})
}
