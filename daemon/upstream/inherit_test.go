package upstream

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/daemon/transport"
)

// succeed returns a client with a configuration that follows c after a reload.
func succeed(t *testing.T, c *Client, config Config, h func(*http.Request) (*http.Response, error)) *Client {
	t.Helper()
	next := inMemory(t, config, h)
	next.Inherit(c)
	return next
}

// TestAPauseOutlastsChangesOfTheLimitsAndReloads: the upstream has asked for a pause of two minutes.
func TestAPauseOutlastsChangesOfTheLimitsAndReloads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent := 0
		busy := func(*http.Request) (*http.Response, error) {
			sent++
			return response(429, map[string]string{"Retry-After": "120"}, ""), nil
		}
		c := inMemory(t, memoryConfig(1000), busy)
		want(t, ask(c, Interactive), Unavailable, "")
		time.Sleep(20 * time.Second)
		for range 3 {
			c.Limit(Limits{Timeout: DefaultTimeout, Rate: 2000})
			if wait := refused(t, ask(c, Interactive)); wait != 100*time.Second {
				t.Errorf("after other limits: %v", wait)
			}
			c = succeed(t, c, memoryConfig(500), busy)
			if wait := refused(t, ask(c, Interactive)); wait != 100*time.Second {
				t.Errorf("after a reload: %v", wait)
			}
		}
		time.Sleep(100 * time.Second)
		want(t, ask(c, Interactive), Unavailable, "")
		if sent != 2 {
			t.Errorf("%d requests", sent)
		}
	})
}

func TestTheCircuitOutlastsChangesOfTheLimitsAndReloads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := func(*http.Request) (*http.Response, error) { return nil, errors.New("down") }
		c := inMemory(t, memoryConfig(1000), down)
		for range tripAfter - 1 {
			want(t, ask(c, Interactive), Unavailable, "")
		}
		c = succeed(t, c, memoryConfig(500), down)
		want(t, ask(c, Interactive), Unavailable, "")
		if state := c.Governor().Circuit; state != Open {
			t.Fatalf("failures of before the reload do not count: %v", state)
		}
		until := c.Governor().OpenUntil
		c.Limit(Limits{Timeout: DefaultTimeout, Rate: 7})
		c = succeed(t, c, memoryConfig(500), down)
		if got := c.Governor(); got.Circuit != Open || !got.OpenUntil.Equal(until) {
			t.Errorf("%+v, want it open until %v", got, until)
		}
	})
}

// TestWhatIsSpentStaysSpent: neither another rate nor a reload fills the budget.
func TestWhatIsSpentStaysSpent(t *testing.T) {
	for name, change := range map[string]func(*testing.T, *Client) *Client{
		"other limits": func(_ *testing.T, c *Client) *Client {
			c.Limit(Limits{Timeout: DefaultTimeout, Rate: 100})
			return c
		},
		"a reload": func(t *testing.T, c *Client) *Client {
			return succeed(t, c, memoryConfig(100), answerWith(200, jsonType, goodProfile))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := inMemory(t, memoryConfig(10), answerWith(200, jsonType, goodProfile))
				for range 10 {
					if err := ask(c, Interactive); err != nil {
						t.Fatal(err)
					}
				}
				c = change(t, c)
				if s := c.Governor(); s.Budget != 0 || s.Burst != 100 || s.Sent != 10 {
					t.Errorf("%+v", s)
				}
				time.Sleep(100 * time.Millisecond)
				if s := c.Governor(); s.Budget < 9.9 || s.Budget > 10.1 {
					t.Errorf("a tenth of a second later there is %v, want 10", s.Budget)
				}
			})
		})
	}
}

// TestAHigherRateIsForThoseWhoWaitToo: the next share was reserved at the former rate.
func TestAHigherRateIsForThoseWhoWaitToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := memoryConfig(1.1)
		config.Timeout = 3 * time.Second
		c := inMemory(t, config, answerWith(200, jsonType, goodProfile))
		for range 2 {
			if err := ask(c, Interactive); err != nil {
				t.Fatal(err)
			}
		}
		began, done := time.Now(), make(chan error)
		go func() { done <- ask(c, Interactive) }()
		synctest.Wait()
		if c.Governor().Waiting != 1 {
			t.Fatal("it does not wait")
		}
		c.Limit(Limits{Timeout: config.Timeout, Rate: 100})
		if err := <-done; err != nil || time.Since(began) > 20*time.Millisecond {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		if s := c.Governor(); s.Waiting != 0 || s.InFlight != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// TestBudgetsAreSharedWhereTheSameEndpointIsAskedAlike changes one setting at a time.
func TestBudgetsAreSharedWhereTheSameEndpointIsAskedAlike(t *testing.T) {
	proxy, err := transport.ParseProxy("http://proxy.example:3128")
	if err != nil {
		t.Fatal(err)
	}
	base := func() Config {
		config := oidcConfig("https://issuer.example")
		config.ServerKey = NewSecret(serverKey) // has no meaning here, and is compared all the same
		config.Introspection = &Introspection{ClientID: "c", Secret: NewSecret("s"), PerMinute: 60}
		return config
	}
	for name, c := range map[string]struct {
		change                          func(*Config)
		profile, introspection, learned bool
	}{
		"nothing":                   {func(*Config) {}, true, true, true},
		"rate and timeout":          {func(c *Config) { c.Rate, c.Timeout = 7, time.Second }, true, true, true},
		"questions a minute":        {func(c *Config) { c.Introspection.PerMinute = 600 }, true, true, true},
		"admitted classes":          {func(c *Config) { c.AllowAnonymous, c.AllowRestricted = true, true }, true, true, true},
		"key set":                   {func(c *Config) { c.KeysURL = "https://keys.example/" }, true, true, false},
		"base URL":                  {func(c *Config) { c.BaseURL = "https://other.example" }, false, false, false},
		"preset":                    {func(c *Config) { c.Preset = Neon }, false, false, false},
		"project":                   {func(c *Config) { c.ProjectID = "p" }, false, false, false},
		"userinfo":                  {func(c *Config) { c.UserinfoURL = "https://issuer.example/me" }, false, true, false},
		"server key":                {func(c *Config) { c.ServerKey = NewSecret("another") }, false, true, false},
		"plain http":                {func(c *Config) { c.Transport.PrivateHTTP = true }, false, false, false},
		"authorities":               {func(c *Config) { c.Transport.Authorities = x509.NewCertPool() }, false, false, false},
		"proxy":                     {func(c *Config) { c.Transport.Route.Proxy = proxy }, false, false, false},
		"introspection's client":    {func(c *Config) { c.Introspection.ClientID = "d" }, true, false, false},
		"introspection's secret":    {func(c *Config) { c.Introspection.Secret = NewSecret("t") }, true, false, false},
		"introspection's way":       {func(c *Config) { c.Introspection.Basic = true }, true, false, false},
		"introspection's URL":       {func(c *Config) { c.Introspection.URL = "https://issuer.example/introspect" }, true, false, false},
		"introspection, taken away": {func(c *Config) { c.Introspection = nil }, true, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			before := open(t, base())
			config := base()
			c.change(&config)
			next := open(t, config)
			next.Inherit(before)
			if got := next.governor == before.governor; got != c.profile {
				t.Errorf("the budget of profiles is shared: %v", got)
			}
			if got := next.introspection == before.introspection; got != c.introspection {
				t.Errorf("the budget of introspection is shared: %v", got)
			}
			if got := next.knowledge == before.knowledge; got != c.learned || got != next.SameQuestions(before) {
				t.Errorf("what was learned is shared: %v; the questions are the same: %v", got, next.SameQuestions(before))
			}
			if s := next.Governor(); s.Burst != max(1, config.Rate) {
				t.Errorf("a burst of %v at a rate of %v", s.Burst, config.Rate)
			}
		})
	}
}

// TestAnotherTimeoutHoldsForTheNextRequest, and the request in flight keeps its own, and leaves no connection behind.
func TestAnotherTimeoutHoldsForTheNextRequest(t *testing.T) {
	answer, arrived, closed := make(chan struct{}), make(chan struct{}, 2), make(chan struct{}, 2)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		select {
		case <-answer:
			reply(200, jsonType, goodProfile)(w, r)
		case <-r.Context().Done():
		}
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			closed <- struct{}{}
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	config := stackConfig(server.URL)
	config.Timeout = 20 * time.Second
	c := open(t, config)
	done := make(chan error, 1)
	go func() {
		_, err := profile(c)
		done <- err
	}()
	<-arrived
	c.Limit(Limits{Timeout: short, Rate: 10})
	if _, err := c.Profile(context.Background(), []byte(token), stackUser, fair.Asker{}, Interactive); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the next request: %v", err)
	}
	close(answer)
	if err := <-done; err != nil {
		t.Errorf("the request in flight: %v", err)
	}
	for range 2 { // the cut one's, and that of the former timeout, which nobody uses again
		<-closed
	}
}
