package upstream

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/neonauthd/neonauthd/daemon/fair"
)

const goodProfile = `{"id":"` + stackUser + `"}`

// memoryConfig is for clients in memory, inside a bubble of synthetic time.
func memoryConfig(rate float64) Config {
	config := stackConfig("https://api.example.com")
	config.Rate = rate
	return config
}

func answerWith(status int, header map[string]string, body string) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) { return response(status, header, body), nil }
}

func ask(c *Client, p Priority) error { return askAs(c, 0, p) }

// askAs asks on behalf of a user.
func askAs(c *Client, uid uint32, p Priority) error {
	_, err := c.Profile(context.Background(), []byte(token), stackUser, fair.Asker{ID: fair.ID{UID: uid}}, p)
	return err
}

// refused checks that nothing was sent and returns the hint.
func refused(t *testing.T, err error) time.Duration {
	t.Helper()
	e := want(t, err, Unavailable, "")
	if !e.Local || e.RetryAfter <= 0 || e.Status != 0 {
		t.Fatalf("not refused here, or without a hint: %+v", e)
	}
	return e.RetryAfter
}

func TestTheBudgetIsABucketWithAShortQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := inMemory(t, memoryConfig(10), answerWith(200, jsonType, goodProfile))
		began := time.Now()
		for range 10 {
			if err := ask(c, Interactive); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took != 0 {
			t.Fatalf("the burst took %v", took)
		}
		// A hundred more at once: those that fit into one second, the longest wait, are
		// accepted, and the rest is refused at once.
		var accepted, turned atomic.Int64
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				if err := ask(c, Interactive); err == nil {
					accepted.Add(1)
				} else if hint := refused(t, err); hint > time.Second && hint < 2*time.Second {
					turned.Add(1)
				}
			})
		}
		all.Wait()
		if accepted.Load() != 10 || turned.Load() != 90 {
			t.Errorf("%d accepted, %d refused", accepted.Load(), turned.Load())
		}
		if took := time.Since(began); took > c.governor.maxWait {
			t.Errorf("took %v", took)
		}
		if s := c.Governor(); s.Sent != 20 || s.Refused != 90 || s.InFlight != 0 || s.Waiting != 0 || s.Burst != 10 {
			t.Errorf("got %+v", s)
		}
	})
}

func TestTheBackgroundUsesOnlyAPartAndNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := inMemory(t, memoryConfig(20), answerWith(200, jsonType, goodProfile))
		began := time.Now()
		sent := 0
		for range 50 {
			if err := ask(c, Background); err == nil {
				sent++
			} else {
				refused(t, err)
			}
		}
		if sent != 10 || time.Since(began) != 0 {
			t.Errorf("%d background requests of a burst of 20, in %v", sent, time.Since(began))
		}
		for range 10 {
			if err := ask(c, Interactive); err != nil {
				t.Fatal(err)
			}
		}
		if time.Since(began) != 0 {
			t.Error("an interactive request had to wait for the background")
		}
	})
}

func TestTheSmallestBudgetServesTheBackgroundToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := inMemory(t, memoryConfig(0.1), answerWith(200, jsonType, goodProfile))
		if err := ask(c, Background); err != nil {
			t.Fatal(err)
		}
		if hint := refused(t, ask(c, Background)); hint < 9*time.Second || hint > 10*time.Second {
			t.Errorf("hint %v", hint)
		}
	})
}

func TestAPauseThatComesWhileWaitingHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent atomic.Int64
		c := inMemory(t, memoryConfig(2), func(*http.Request) (*http.Response, error) {
			sent.Add(1)
			time.Sleep(100 * time.Millisecond)
			return response(429, map[string]string{"Retry-After": "60"}, ""), nil
		})
		var all sync.WaitGroup
		for range 3 { // two at once, the third waits half a second for its share
			all.Go(func() { want(t, ask(c, Interactive), Unavailable, "") })
		}
		all.Wait()
		if s := c.Governor(); sent.Load() != 2 || s.Sent != 2 || s.Refused != 1 || s.InFlight != 0 {
			t.Errorf("%d sent, %+v", sent.Load(), s)
		}
		if n := c.governor.queue.inFlight + len(c.governor.queue.own); n != 0 {
			t.Error("a place was not given back")
		}
	})
}

// blocking answers when told to.
type blocking struct{ release chan struct{} }

func (b blocking) answer(r *http.Request) (*http.Response, error) {
	select {
	case <-b.release:
		return response(200, jsonType, goodProfile), nil
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

func TestRequestsInFlightAreCapped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := blocking{make(chan struct{})}
		c := inMemory(t, memoryConfig(1000), b.answer)
		var all sync.WaitGroup
		var done atomic.Int64
		start := func(n int, uid uint32, p Priority) {
			for range n {
				all.Go(func() {
					if askAs(c, uid, p) == nil {
						done.Add(1)
					}
				})
			}
			synctest.Wait()
		}
		start(MaxConcurrent/2, 1, Background)
		if n := c.Governor().InFlight; n != MaxConcurrent/2 {
			t.Fatalf("%d in flight", n)
		}
		refused(t, askAs(c, 2, Background)) // half of the places is the background's share
		const most = fair.MaxCallsEach
		for _, caller := range []struct {
			uid               uint32
			asks              int
			inFlight, waiting int // in all, then
		}{
			{1, MaxConcurrent / 4, most, 0},
			{1, 1, most, 1},     // one more than a single caller may have
			{2, 2, most + 1, 2}, // its first takes one of the places kept for others
			{3, 1, most + 2, 2}, // the first of another caller
			{4, 1, most + 3, 2},
			{5, 1, MaxConcurrent, 2},
			{6, 1, MaxConcurrent, 3},
		} {
			start(caller.asks, caller.uid, Interactive)
			if s := c.Governor(); s.InFlight != caller.inFlight || s.Waiting != caller.waiting {
				t.Fatalf("after %d of caller %d: %d in flight, %d waiting", caller.asks, caller.uid, s.InFlight, s.Waiting)
			}
		}
		close(b.release)
		all.Wait()
		if done.Load() != MaxConcurrent+3 {
			t.Errorf("%d answered", done.Load())
		}
	})
}

func TestWhoWaitsTooLongForAPlaceIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := memoryConfig(1000)
		c := inMemory(t, config, blocking{make(chan struct{})}.answer)
		var all sync.WaitGroup
		for range fair.MaxCallsEach {
			all.Go(func() { want(t, ask(c, Interactive), Unavailable, "") })
		}
		synctest.Wait()
		began := time.Now()
		refused(t, ask(c, Interactive))
		if took := time.Since(began); took != c.governor.maxWait {
			t.Errorf("waited %v", took)
		}
		// The share of the budget was given back, so the budget is whole.
		if s := c.Governor(); s.Budget != s.Burst {
			t.Errorf("budget %v of %v", s.Budget, s.Burst)
		}
		all.Wait()
	})
}

func TestAPauseTheUpstreamAsksForHoldsForEverybody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, test := range []struct {
			status int
			header map[string]string
			want   time.Duration
		}{
			{429, map[string]string{"Retry-After": "7"}, 7 * time.Second},
			{429, map[string]string{"X-Retry-After": "5"}, 5 * time.Second},
			{503, map[string]string{"Retry-After": "9"}, 9 * time.Second},
			{429, map[string]string{"Retry-After": "999999999"}, MaxRetryAfter},
			{429, map[string]string{"Retry-After": "-5"}, firstPause},
			{429, nil, firstPause},
		} {
			limited := true
			c := inMemory(t, memoryConfig(1000), func(r *http.Request) (*http.Response, error) {
				if limited {
					return response(test.status, test.header, "{}"), nil
				}
				return response(200, jsonType, goodProfile), nil
			})
			e := want(t, ask(c, Interactive), Unavailable, "")
			if e.RetryAfter != test.want || e.Local {
				t.Fatalf("%v: %+v", test.header, e)
			}
			limited = false
			for _, p := range []Priority{Interactive, Background} {
				if hint := refused(t, ask(c, p)); hint != test.want {
					t.Errorf("%v: hint %v", test.header, hint)
				}
			}
			if until := c.Governor().RetryUntil; time.Until(until) != test.want {
				t.Errorf("paused until %v", until)
			}
			pass(test.want - 1)
			refused(t, ask(c, Interactive))
			pass(1)
			if err := ask(c, Interactive); err != nil {
				t.Errorf("%v: %v", test.header, err)
			}
			if !c.Governor().RetryUntil.IsZero() {
				t.Error("the pause is still told")
			}
		}
	})
}

// pass lets synthetic time pass.
func pass(d time.Duration) { time.Sleep(d) }

func TestPausesWithoutAHintDoubleUntilAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		status := 429
		c := inMemory(t, memoryConfig(1000), func(*http.Request) (*http.Response, error) {
			return response(status, jsonType, goodProfile), nil
		})
		next := func() time.Duration {
			e := want(t, ask(c, Interactive), Unavailable, "")
			pass(e.RetryAfter)
			return e.RetryAfter
		}
		for _, pause := range []time.Duration{1, 2, 4, 8} {
			if got := next(); got != pause*time.Second {
				t.Fatalf("paused %v, want %v", got, pause*time.Second)
			}
		}
		status = 200
		if err := ask(c, Interactive); err != nil {
			t.Fatal(err)
		}
		status = 429
		if got := next(); got != time.Second {
			t.Errorf("after an answer paused %v", got)
		}
	})
}

func TestAPanicGivesTheTurnBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := inMemory(t, memoryConfig(1000), func(*http.Request) (*http.Response, error) { panic("boom") })
		for range 2 * MaxConcurrent {
			func() {
				defer func() { _ = recover() }()
				_ = ask(c, Interactive)
			}()
		}
		if s := c.Governor(); s.InFlight != 0 || s.Circuit != Open {
			t.Errorf("got %+v", s)
		}
	})
}

func TestLeavingTheQueueGivesTheShareBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := inMemory(t, memoryConfig(2), answerWith(200, jsonType, goodProfile))
		_, _ = ask(c, Interactive), ask(c, Interactive)
		ctx, cancel := context.WithCancel(context.Background())
		var all sync.WaitGroup
		all.Go(func() {
			_, err := c.Profile(ctx, []byte(token), stackUser, fair.Asker{}, Interactive)
			if e := failure(t, err); !errors.Is(e, context.Canceled) {
				t.Errorf("got %+v", e)
			}
		})
		synctest.Wait()
		if s := c.Governor(); s.Waiting != 1 || s.Budget != -1 {
			t.Errorf("got %+v", s)
		}
		cancel()
		all.Wait()
		if s := c.Governor(); s.Waiting != 0 || s.Budget != 0 || s.Sent != 2 {
			t.Errorf("got %+v", s)
		}
	})
}
