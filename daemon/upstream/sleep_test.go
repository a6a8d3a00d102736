package upstream

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/clock/clocktest"
)

// TestWhatHoldsRequestsBackEndsWithASleepOrAStep: a second of it is left when the
// clock moves.
func TestWhatHoldsRequestsBackEndsWithASleepOrAStep(t *testing.T) {
	for what, hold := range map[string]func(*testing.T, *Client) time.Duration{
		"an open circuit": func(t *testing.T, c *Client) time.Duration {
			for range tripAfter {
				_ = ask(c, Interactive)
			}
			return refused(t, ask(c, Interactive))
		},
		"a pause": func(t *testing.T, c *Client) time.Duration {
			c.http.Store(newHTTPClient(roundTrip(answerWith(429, map[string]string{"Retry-After": "60"}, ""))))
			_ = ask(c, Interactive)
			return refused(t, ask(c, Interactive))
		},
	} {
		for _, s := range []struct {
			name string
			move func(*clocktest.Clock)
			goes bool
		}{
			{"nothing", func(*clocktest.Clock) {}, false},
			{"a second", func(c *clocktest.Clock) { c.Advance(time.Second) }, true},
			{"a sleep", func(c *clocktest.Clock) { c.Sleep(time.Second) }, true},
			{"a step ahead", func(c *clocktest.Clock) { c.Step(time.Second) }, true},
			{"a step back", func(c *clocktest.Clock) { c.Step(-time.Hour) }, false},
			{"a step back and a second", func(c *clocktest.Clock) { c.Step(-time.Hour); c.Advance(time.Second) }, true},
		} {
			t.Run(what+", "+s.name, func(t *testing.T) {
				clock, config := clocktest.New(), memoryConfig(1000)
				config.Now = clock.Now
				c := inMemory(t, config, answerWith(503, nil, ""))
				clock.Advance(hold(t, c) - time.Second)
				s.move(clock)
				c.http.Store(newHTTPClient(roundTrip(answerWith(200, jsonType, goodProfile))))
				state := c.Governor()
				if held := state.Circuit == Open || !state.RetryUntil.IsZero(); held == s.goes {
					t.Errorf("held back: %v", held)
				}
				if err := ask(c, Interactive); (err == nil) != s.goes {
					t.Errorf("asked: %v", err)
				} else if err != nil && refused(t, err) > time.Second {
					t.Errorf("to be asked again after %s", refused(t, err))
				}
			})
		}
	}
}

// TestADiscoveryDocumentIsFetchedAgainAfterASleep: its endpoints may be others.
func TestADiscoveryDocumentIsFetchedAgainAfterASleep(t *testing.T) {
	clock, config := clocktest.New(), oidcConfig("https://issuer.example.com")
	config.Now = clock.Now
	found := 0
	c := inMemory(t, config, func(r *http.Request) (*http.Response, error) {
		if r.URL.Path == "/keys" {
			return response(200, jsonType, `{"keys":[]}`), nil
		}
		found++
		return response(200, jsonType, `{"issuer":"https://issuer.example.com","jwks_uri":"https://issuer.example.com/keys"}`), nil
	})
	for i, move := range []func(time.Duration){clock.Advance, clock.Sleep, clock.Step} {
		for range 2 {
			if _, err := c.Keyset(context.Background(), Validators{}); err != nil {
				t.Fatal(err)
			}
		}
		if found != i+1 {
			t.Errorf("%d discoveries, want %d", found, i+1)
		}
		move(discoveryFresh)
	}
}
