package upstream

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/neonauthd/neonauthd/daemon/fair"
)

// flood asks without a pause, so many at once, until ctx ends.
func flood(ctx context.Context, c *Client, asker fair.Asker, at int, all *sync.WaitGroup) {
	for range at {
		all.Go(func() {
			for ctx.Err() == nil {
				if _, err := c.Profile(ctx, []byte(token), stackUser, asker, Interactive); err != nil {
					select { // this caller ignores Retry-After, and needs a moment for each request
					case <-time.After(20 * time.Millisecond):
					case <-ctx.Done():
					}
				}
			}
		})
	}
}

// TestAQuietAskerIsServedBesideGreedyOnes: each asker waits for one turn of each other asker, not for all their
// requests.
func TestAQuietAskerIsServedBesideGreedyOnes(t *testing.T) {
	user := func(uid uint32, of string) fair.Asker { return fair.Asker{ID: fair.ID{UID: uid}, For: of} }
	for _, c := range []struct {
		name   string
		greedy []fair.Asker
		quiet  fair.Asker
		slow   time.Duration // the upstream's answer
		least  time.Duration // what 60 lookups of the quiet one take
		most   time.Duration
	}{
		{"nobody else", nil, user(9, ""), 0, 2 * time.Second, 2 * time.Second},
		{"one greedy caller", []fair.Asker{user(1, "")}, user(9, ""), 0, 5 * time.Second, 7 * time.Second},
		{"one greedy caller, a slow upstream", []fair.Asker{user(1, "")}, user(9, ""), 500 * time.Millisecond, 30 * time.Second, 40 * time.Second},
		{"four greedy callers", []fair.Asker{user(1, ""), user(2, ""), user(3, ""), user(4, "")}, user(9, ""), 0, 14 * time.Second, 16 * time.Second},
		{"one that asks for many", []fair.Asker{user(1, "a"), user(1, "b"), user(1, "c"), user(1, "d")}, user(9, ""), 0, 5 * time.Second, 7 * time.Second},
		{"the same caller asks for another", []fair.Asker{user(1, "a")}, user(1, "z"), 0, 5 * time.Second, 7 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := inMemory(t, memoryConfig(20), func(*http.Request) (*http.Response, error) {
					time.Sleep(c.slow)
					return response(200, jsonType, goodProfile), nil
				})
				var all sync.WaitGroup
				ctx, stop := context.WithCancel(t.Context())
				for _, asker := range c.greedy {
					flood(ctx, client, asker, 40, &all)
				}
				time.Sleep(5 * time.Second)
				began, refused := time.Now(), 0
				for range 60 {
					if _, err := client.Profile(t.Context(), []byte(token), stackUser, c.quiet, Interactive); err != nil {
						refused++
					}
				}
				if took := time.Since(began); took < c.least || took > c.most || refused > 0 {
					t.Errorf("60 lookups took %s, %d were refused; want %s to %s and none", took, refused, c.least, c.most)
				}
				stop()
				all.Wait()
				if s := client.Governor(); s.InFlight != 0 || s.Waiting != 0 || len(client.governor.queue.own) != 0 {
					t.Errorf("afterwards: %+v", s)
				}
			})
		})
	}
}

// TestPlacesInFlightAreKeptForOthers: the upstream does not answer the requests of a greedy caller.
func TestPlacesInFlightAreKeptForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := inMemory(t, memoryConfig(1000), func(r *http.Request) (*http.Response, error) {
			if r.Header.Get("X-Stack-Access-Token") == token { // the greedy one's
				<-r.Context().Done()
				return nil, r.Context().Err()
			}
			return response(200, jsonType, goodProfile), nil
		})
		ctx, stop := context.WithCancel(t.Context())
		var all sync.WaitGroup
		flood(ctx, c, fair.Asker{ID: fair.ID{UID: 1}}, MaxConcurrent, &all)
		synctest.Wait()
		for i := range 100 {
			if _, err := c.Profile(t.Context(), []byte("other.other.other"), stackUser, fair.Asker{ID: fair.ID{UID: 2}}, Interactive); err != nil {
				t.Fatalf("%d: %v", i, err)
			}
		}
		stop()
		all.Wait()
	})
}

// TestAShareOnItsWayIsHadByTheNext: an asker that leaves leaves its share to the next one, and no more shares are given
// than there are.
func TestAShareOnItsWayIsHadByTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := inMemory(t, memoryConfig(2), answerWith(200, jsonType, goodProfile))
		_, _ = ask(c, Interactive), ask(c, Interactive)
		leaving, leave := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer leave()
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := c.Profile(leaving, []byte(token), stackUser, fair.Asker{}, Interactive); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("who leaves: %v", err)
			}
		})
		synctest.Wait()
		began := time.Now()
		if err := askAs(c, 2, Interactive); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took != 500*time.Millisecond {
			t.Errorf("the next one waited %s", took)
		}
		all.Wait()
		if s := c.Governor(); s.Sent != 3 || s.Budget != 0 {
			t.Errorf("%+v", s)
		}
	})
}
