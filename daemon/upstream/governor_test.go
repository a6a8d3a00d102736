package upstream

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
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

func ask(c *Client, p Priority) error {
	_, err := c.Profile(context.Background(), []byte(token), stackUser, p)
	return err
}

// refused checks that nothing was sent and returns the hint.
func refused(t *testing.T, err error) time.Duration {
	t.Helper()
	e := want(t, err, Unavailable, NotDenied)
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
		// A hundred more at once: as many as fit into a second of patience wait, the rest is refused at once.
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
		if took := time.Since(began); took > c.governor.patience {
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
		start := func(n int, p Priority) {
			for range n {
				all.Go(func() {
					if ask(c, p) == nil {
						done.Add(1)
					}
				})
			}
			synctest.Wait()
		}
		start(MaxConcurrent/2, Background)
		if n := c.Governor().InFlight; n != MaxConcurrent/2 {
			t.Fatalf("%d in flight", n)
		}
		refused(t, ask(c, Background)) // half of the places is the background's share
		start(MaxConcurrent, Interactive)
		s := c.Governor()
		if s.InFlight != MaxConcurrent || s.Waiting != MaxConcurrent/2 {
			t.Fatalf("%d in flight, %d waiting", s.InFlight, s.Waiting)
		}
		close(b.release)
		all.Wait()
		if done.Load() != MaxConcurrent*3/2 {
			t.Errorf("%d answered", done.Load())
		}
	})
}

func TestWhoWaitsTooLongForAPlaceIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := memoryConfig(1000)
		c := inMemory(t, config, blocking{make(chan struct{})}.answer)
		var all sync.WaitGroup
		for range MaxConcurrent {
			all.Go(func() { want(t, ask(c, Interactive), Unavailable, NotDenied) })
		}
		synctest.Wait()
		began := time.Now()
		refused(t, ask(c, Interactive))
		if took := time.Since(began); took != c.governor.patience {
			t.Errorf("waited %v", took)
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
			e := want(t, ask(c, Interactive), Unavailable, NotDenied)
			if e.RetryAfter != test.want || e.Local {
				t.Fatalf("%v: %+v", test.header, e)
			}
			limited = false
			for _, p := range []Priority{Interactive, Background} {
				if hint := refused(t, ask(c, p)); hint != test.want {
					t.Errorf("%v: hint %v", test.header, hint)
				}
			}
			if until := c.Governor().RetryUntil; until.Sub(time.Now()) != test.want {
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
func pass(d time.Duration) { <-time.After(d) }

func TestPausesWithoutAHintDoubleUntilAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		status := 429
		c := inMemory(t, memoryConfig(1000), func(*http.Request) (*http.Response, error) {
			return response(status, jsonType, goodProfile), nil
		})
		next := func() time.Duration {
			e := want(t, ask(c, Interactive), Unavailable, NotDenied)
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

func TestTheCircuitOpensOnFailuresAndClosesOnAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent, up := 0, false
		c := inMemory(t, memoryConfig(1000), func(*http.Request) (*http.Response, error) {
			sent++
			if up {
				return response(200, jsonType, goodProfile), nil
			}
			return nil, errors.New("canary")
		})
		for range tripAfter {
			if s := c.Governor(); s.Circuit != Closed {
				t.Fatalf("%v after %d failures", s.Circuit, sent)
			}
			if e := want(t, ask(c, Interactive), Unavailable, NotDenied); e.Local || strings.Contains(e.Error(), "canary") {
				t.Fatalf("got %v", e)
			}
		}
		longest := time.Duration(0)
		for range 10 {
			s := c.Governor()
			if s.Circuit != Open {
				t.Fatalf("circuit %v", s.Circuit)
			}
			before, wait := sent, time.Until(s.OpenUntil)
			if hint := refused(t, ask(c, Interactive)); hint != wait || sent != before {
				t.Fatalf("hint %v, open for %v, %d sent", hint, wait, sent-before)
			}
			longest = max(longest, wait)
			pass(wait)
			if s := c.Governor(); s.Circuit != HalfOpen || !s.OpenUntil.IsZero() {
				t.Fatalf("circuit %v", s.Circuit)
			}
			want(t, ask(c, Background), Unavailable, NotDenied)
			if sent != before+1 {
				t.Fatalf("%d trials", sent-before)
			}
		}
		if longest < longestOpen*8/10 || longest > longestOpen*11/10 {
			t.Errorf("longest open %v", longest)
		}
		up = true
		pass(time.Until(c.Governor().OpenUntil))
		if err := ask(c, Interactive); err != nil {
			t.Fatal(err)
		}
		if s := c.Governor(); s.Circuit != Closed {
			t.Errorf("circuit %v", s.Circuit)
		}
	})
}

func TestOneRequestTriesAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := true
		b := blocking{make(chan struct{})}
		c := inMemory(t, memoryConfig(1000), func(r *http.Request) (*http.Response, error) {
			if down {
				return response(502, nil, ""), nil
			}
			return b.answer(r)
		})
		for range tripAfter {
			_ = ask(c, Interactive)
		}
		down = false
		pass(time.Until(c.Governor().OpenUntil))
		// The first trial's caller gives up: nothing is learned, and the next may try.
		ctx, cancel := context.WithCancel(context.Background())
		var all sync.WaitGroup
		all.Go(func() {
			_, err := c.Profile(ctx, []byte(token), stackUser, Interactive)
			if !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
		})
		synctest.Wait()
		refused(t, ask(c, Interactive))
		cancel()
		all.Wait()
		if s := c.Governor(); s.Circuit != HalfOpen {
			t.Fatalf("circuit %v", s.Circuit)
		}
		close(b.release)
		if err := ask(c, Interactive); err != nil {
			t.Fatal(err)
		}
	})
}

func TestWhatCountsAgainstTheUpstream(t *testing.T) {
	down := func(err error) func(*http.Request) (*http.Response, error) {
		return func(*http.Request) (*http.Response, error) { return nil, err }
	}
	for _, test := range []struct {
		name   string
		answer func(*http.Request) (*http.Response, error)
		counts bool
	}{
		{"transport error", down(errors.New("x")), true},
		{"500", answerWith(500, nil, ""), true},
		{"599", answerWith(599, nil, ""), true},
		{"200", answerWith(200, jsonType, goodProfile), false},
		{"denial", answerWith(401, map[string]string{"X-Stack-Known-Error": "ACCESS_TOKEN_EXPIRED"}, `{"code":"ACCESS_TOKEN_EXPIRED"}`), false},
		{"misconfiguration", answerWith(403, nil, ""), false},
		{"redirect", answerWith(302, nil, ""), false},
		{"408", answerWith(408, nil, ""), false},
		{"unusable body", answerWith(200, jsonType, "x"), false},
		{"somebody else", answerWith(200, jsonType, `{"id":"x"}`), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := inMemory(t, memoryConfig(1000), test.answer)
				for range tripAfter {
					_ = ask(c, Interactive)
				}
				if got := c.Governor().Circuit == Open; got != test.counts {
					t.Errorf("the circuit opened: %v", got)
				}
			})
		})
	}
}

func TestACallersImpatienceIsNotTheUpstreamsFault(t *testing.T) {
	for _, test := range []struct {
		deadline time.Duration
		counts   bool
	}{
		{DefaultTimeout/2 - 1, false},
		// The upstream had its chance, and a flight's deadline may be a hair shorter than ours.
		{DefaultTimeout / 2, true},
		{DefaultTimeout - 1, true},
		{DefaultTimeout + 1, true}, // ours ends it
	} {
		t.Run(fmt.Sprint(test.deadline), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := inMemory(t, memoryConfig(1000), blocking{make(chan struct{})}.answer)
				for range tripAfter {
					ctx, cancel := context.WithTimeout(context.Background(), test.deadline)
					began := time.Now()
					_, err := c.Profile(ctx, []byte(token), stackUser, Interactive)
					cancel()
					if !errors.Is(err, context.DeadlineExceeded) {
						t.Fatalf("got %v", err)
					}
					if took := time.Since(began); took != min(test.deadline, DefaultTimeout) {
						t.Fatalf("took %v", took)
					}
				}
				if got := c.Governor().Circuit == Open; got != test.counts {
					t.Errorf("the circuit opened: %v", got)
				}
			})
		})
	}
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
			_, err := c.Profile(ctx, []byte(token), stackUser, Interactive)
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
