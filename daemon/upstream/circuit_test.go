package upstream

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/neonauthd/neonauthd/daemon/fair"
)

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
			if e := want(t, ask(c, Interactive), Unavailable, ""); e.Local || strings.Contains(e.Error(), "canary") {
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
			want(t, ask(c, Background), Unavailable, "")
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
			_, err := c.Profile(ctx, []byte(token), stackUser, fair.Asker{}, Interactive)
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
		// The upstream had enough time, and a flight's deadline may be a little shorter than ours.
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
					_, err := c.Profile(ctx, []byte(token), stackUser, fair.Asker{}, Interactive)
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

func TestLateResultsOfAnEarlierStateDoNotCount(t *testing.T) {
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	var c circuit
	early := c.enter()
	for range tripAfter {
		c.leave(c.enter(), failed, now)
	}
	if c.state(now) != Open {
		t.Fatal("not open")
	}
	c.leave(early, healthy, now)
	if c.state(now) != Open {
		t.Error("closed by an answer to a request from before")
	}
	now = c.until
	trial := c.enter()
	c.leave(early, healthy, now)
	c.leave(early, failed, now)
	if c.state(now) != HalfOpen || c.refusal(now) != whileTrying {
		t.Error("the trial was decided by another request")
	}
	c.leave(trial, healthy, now)
	if c.state(now) != Closed {
		t.Error("not closed by the trial's answer")
	}
	c.leave(trial, healthy, now)
	c.leave(early, failed, now)
	if c.failures != 0 {
		t.Error("a failure from before counts")
	}
}
