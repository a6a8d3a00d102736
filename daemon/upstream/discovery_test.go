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

	"github.com/neonauthd/neonauthd/daemon/fair"
)

// discovering returns configurations whose clients need a discovery document for whatever they ask, and how many
// requests one search for it takes.
func discovering() map[string]struct {
	config   Config
	requests int64
} {
	neon, oidc := introspectingConfig(6000), introspectingConfig(6000)
	neon.Introspection.URL, oidc.Introspection.URL = "", ""
	oidc.Preset, oidc.BaseURL = OIDC, "https://auth.example"
	return map[string]struct {
		config   Config
		requests int64
	}{"neon": {neon, 5}, "oidc": {oidc, 1}}
}

// TestAFailedSearchForTheDocumentIsRemembered: lookups cause no requests past the pauses, which grow, and everybody gets
// the failure of the last search.
func TestAFailedSearchForTheDocumentIsRemembered(t *testing.T) {
	for _, test := range []struct {
		name     string
		answer   func(*http.Request) (*http.Response, error)
		means    Meaning
		searches int64 // within a minute
		everyURL bool  // one search asks at every place
	}{
		{"there is none", answerWith(404, nil, ""), Misconfigured, 6, true},
		{"limit with a time", answerWith(429, map[string]string{"Retry-After": "60"}, ""), Unavailable, 1, false},
		{"limit", answerWith(429, nil, ""), Unavailable, 6, false},
		{"down", answerWith(503, nil, ""), Unavailable, 6, false},
		{"no connection", func(*http.Request) (*http.Response, error) { return nil, errors.New("canary") }, Unavailable, 6, false},
		{"a page", answerWith(200, map[string]string{"Content-Type": "text/html"}, "<p>"), Unavailable, 6, false},
		{"a redirect", answerWith(302, map[string]string{"Location": "/"}, ""), Misconfigured, 6, false},
	} {
		for preset, project := range discovering() {
			t.Run(test.name+" "+preset, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var sent atomic.Int64
					c := inMemory(t, project.config, func(r *http.Request) (*http.Response, error) {
						sent.Add(1)
						return test.answer(r)
					})
					var all sync.WaitGroup
					for began := time.Now(); time.Since(began) < time.Minute; pass(time.Second / 10) {
						for range 3 {
							all.Go(func() {
								_, err := c.Introspect(context.Background(), []byte("t"), takeAll, fair.Asker{}, Interactive)
								if e := want(t, err, test.means, ""); e.earlier && e.RetryAfter <= 0 {
									t.Errorf("no hint: %+v", e)
								}
							})
						}
						_, err := c.Issuer(context.Background())
						want(t, err, test.means, "")
						all.Wait()
					}
					most := test.searches
					if test.everyURL {
						most *= project.requests
					}
					if sent.Load() > most {
						t.Errorf("%d requests, want %d", sent.Load(), most)
					}
				})
			})
		}
	}
}

// TestAfterAFailedSearchTheDocumentIsFoundAgain within the longest pause. The failure is told before anything is spent.
func TestAfterAFailedSearchTheDocumentIsFoundAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := discovering()["oidc"].config
		answer := answerWith(404, nil, "")
		c := inMemory(t, config, func(r *http.Request) (*http.Response, error) { return answer(r) })
		for range 10 {
			_, err := c.Issuer(context.Background())
			want(t, err, Misconfigured, "")
			if e := want(t, c.MayIntrospect(), Misconfigured, ""); !e.Local || e.RetryAfter <= 0 || e.RetryAfter > longestPause {
				t.Fatalf("got %+v", e)
			}
			pass(failure(t, c.MayIntrospect()).RetryAfter)
			if err := c.MayIntrospect(); err != nil {
				t.Fatal(err)
			}
		}
		answer = func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodPost {
				return response(200, jsonType, `{"active":true}`), nil
			}
			return response(200, jsonType, `{"issuer":"https://auth.example","introspection_endpoint":"https://auth.example/i"}`), nil
		}
		if _, err := c.Introspect(context.Background(), []byte("t"), takeAll, fair.Asker{}, Interactive); err != nil {
			t.Fatal(err)
		}
	})
}

// TestTheDocumentOfAnIntrospectionTakesFromItsBudget, and its Retry-After holds for the questions too.
func TestTheDocumentOfAnIntrospectionTakesFromItsBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := inMemory(t, discovering()["oidc"].config, answerWith(429, map[string]string{"Retry-After": "60"}, ""))
		_, err := c.Introspect(context.Background(), []byte("t"), takeAll, fair.Asker{}, Interactive)
		want(t, err, Unavailable, "")
		if s, _ := c.IntrospectionGovernor(); s.Sent != 1 || time.Until(s.RetryUntil) != time.Minute {
			t.Errorf("got %+v", s)
		}
	})
}

// TestACallerWhoGivesUpSaysNothingAboutTheDocument.
func TestACallerWhoGivesUpSaysNothingAboutTheDocument(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	c := inMemory(t, discovering()["oidc"].config, func(r *http.Request) (*http.Response, error) {
		cancel()
		return nil, r.Context().Err()
	})
	_, err := c.Issuer(ctx)
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if err := c.MayIntrospect(); err != nil {
		t.Error(err)
	}
}

// TestAnEndpointThatADocumentLacks is asked for soon, and not after an hour. One that was there before stays in use.
func TestAnEndpointThatADocumentLacks(t *testing.T) {
	member := map[string]string{"jwks_uri": "/keys", "userinfo_endpoint": "/userinfo", "introspection_endpoint": "/introspect"}
	for lacks := range member {
		for _, how := range []string{"", `"` + lacks + `":"http://192.0.2.1/",`, `"` + lacks + `":null,`} {
			t.Run(fmt.Sprintf("%s %q", lacks, how), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					without := true
					asked, searches := "", 0
					c := inMemory(t, discovering()["oidc"].config, func(r *http.Request) (*http.Response, error) {
						if r.URL.Path != "/.well-known/openid-configuration" {
							asked = r.URL.Path
							return response(200, jsonType, `{"keys":[],"sub":"`+stackUser+`","active":true}`), nil
						}
						searches++
						text := `{"issuer":"https://auth.example",`
						for name, path := range member {
							if name != lacks || !without {
								text += `"` + name + `":"https://auth.example` + path + `",`
							} else {
								text += how
							}
						}
						return response(200, jsonType, strings.TrimSuffix(text, ",")+"}"), nil
					})
					ask := func() error {
						asked = ""
						switch lacks {
						case "jwks_uri":
							_, err := c.Keyset(context.Background(), Validators{})
							return err
						case "userinfo_endpoint":
							_, err := profile(c)
							return err
						}
						_, err := c.Introspect(context.Background(), []byte("t"), takeAll, fair.Asker{}, Interactive)
						return err
					}
					expect := func(path string, n int) {
						t.Helper()
						if err := ask(); (err == nil) != (path != "") || err != nil && failure(t, err).Meaning != Misconfigured {
							t.Fatal(err)
						}
						if asked != path || searches != n {
							t.Fatalf("asked at %q after %d searches, want %q, %d", asked, searches, path, n)
						}
					}
					expect("", 1)
					pass(discoveryPause - 1)
					expect("", 1)
					without = false
					pass(1)
					expect(member[lacks], 2)
					without = true
					pass(discoveryFresh)
					expect(member[lacks], 3)
					pass(discoveryPause)
					expect(member[lacks], 4)
					without = false
					pass(discoveryPause)
					expect(member[lacks], 5)
					pass(discoveryFresh - 1)
					expect(member[lacks], 5)
				})
			})
		}
	}
}

// TestADocumentThatWasAskedForEarlierDoesNotReplaceALaterOne, although it comes later.
func TestADocumentThatWasAskedForEarlierDoesNotReplaceALaterOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var searches atomic.Int64
		asked, late := "", make(chan struct{})
		c := inMemory(t, discovering()["oidc"].config, func(r *http.Request) (*http.Response, error) {
			if r.URL.Path != "/.well-known/openid-configuration" {
				asked = r.URL.Path
				return response(200, jsonType, `{"keys":[]}`), nil
			}
			keys := "/former"
			switch searches.Add(1) {
			case 2:
				<-late
			case 3:
				keys = "/present"
			}
			return response(200, jsonType, `{"issuer":"https://auth.example","jwks_uri":"https://auth.example`+keys+`","userinfo_endpoint":"https://auth.example/userinfo","introspection_endpoint":"https://auth.example/introspect"}`), nil
		})
		fetch := func(want string) {
			if _, err := c.Keyset(context.Background(), Validators{}); err != nil || asked != want {
				t.Errorf("asked %q, want %q: %v", asked, want, err)
			}
		}
		fetch("/former")
		pass(discoveryFresh)
		var refresh sync.WaitGroup
		refresh.Go(func() { fetch("/present") })
		synctest.Wait()
		pass(1)
		if _, err := c.IssuerNow(context.Background()); err != nil {
			t.Fatal(err)
		}
		close(late)
		refresh.Wait()
		fetch("/present")
		if searches.Load() != 3 {
			t.Errorf("%d searches", searches.Load())
		}
	})
}

// TestADocumentThatIsSlowIsRefreshed, soon after it is due, as long as its upstream answers within the time of a call. Nothing
// else is asked meanwhile, so nobody else's answer brings the document.
func TestADocumentThatIsSlowIsRefreshed(t *testing.T) {
	for _, takes := range []time.Duration{0, DefaultTimeout * 4 / 10, DefaultTimeout * 9 / 10} {
		for _, knowsKeys := range []bool{false, true} {
			t.Run(fmt.Sprint(takes, knowsKeys), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					config := discovering()["oidc"].config
					ask := func(c *Client) error { _, err := c.Keyset(context.Background(), Validators{}); return err }
					if knowsKeys {
						config.KeysURL = "https://auth.example/jwks"
						ask = func(c *Client) error { _, err := profile(c); return err }
					}
					asked, moved := "", false
					c := inMemory(t, config, func(r *http.Request) (*http.Response, error) {
						if r.URL.Path != "/.well-known/openid-configuration" {
							asked = r.URL.Path
							return response(200, jsonType, `{"keys":[],"sub":"`+stackUser+`"}`), nil
						}
						select {
						case <-time.After(takes):
						case <-r.Context().Done():
							return nil, r.Context().Err()
						}
						at := "https://auth.example/former"
						if moved {
							at = "https://auth.example/present"
						}
						return response(200, jsonType, `{"issuer":"https://auth.example","jwks_uri":"`+at+`","userinfo_endpoint":"`+at+`","introspection_endpoint":"`+at+`"}`), nil
					})
					for _, want := range []string{"/former", "/present"} {
						for range 3 {
							if err := ask(c); err != nil {
								t.Error(err)
							}
							pass(discoveryPause)
						}
						if asked != want {
							t.Errorf("asked %s, want %s", asked, want)
						}
						moved = true
						pass(discoveryFresh)
					}
				})
			})
		}
	}
}

// TestADocumentThatHangsHoldsUpNobody: the endpoints that were found before still answer, so nobody's question fails, and the
// circuit stays closed. One caller at a time waits for the document, for a part of its time. Each third refresh may take all of
// that, so its caller's question fails.
func TestADocumentThatHangsHoldsUpNobody(t *testing.T) {
	const document = `{"issuer":"https://auth.example","jwks_uri":"https://auth.example/keys",` +
		`"userinfo_endpoint":"https://auth.example/userinfo","introspection_endpoint":"https://auth.example/introspect"}`
	questions := map[string]func(*Client) error{
		"keys":    func(c *Client) error { _, err := c.Keyset(context.Background(), Validators{}); return err },
		"profile": func(c *Client) error { _, err := profile(c); return err },
		"introspection": func(c *Client) error {
			_, err := c.Introspect(context.Background(), []byte("t"), takeAll, fair.Asker{}, Interactive)
			return err
		},
	}
	for name, ask := range questions {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var hangs, searches atomic.Int64
				c := inMemory(t, discovering()["oidc"].config, func(r *http.Request) (*http.Response, error) {
					switch {
					case r.URL.Path != "/.well-known/openid-configuration":
						return response(200, jsonType, `{"keys":[],"sub":"`+stackUser+`","active":true}`), r.Context().Err()
					case hangs.Load() == 0:
						return response(200, jsonType, document), nil
					}
					searches.Add(1)
					<-r.Context().Done()
					return nil, r.Context().Err()
				})
				if err := ask(c); err != nil {
					t.Fatal(err)
				}
				hangs.Store(1)
				now := make(chan error)
				go func() {
					_, err := c.IssuerNow(context.Background())
					now <- err
				}()
				synctest.Wait()
				if err := ask(c); err != nil || searches.Swap(0) != 1 {
					t.Errorf("while the issuer is asked for again: %v", err)
				}
				want(t, <-now, Unavailable, "")
				pass(discoveryFresh + time.Minute)
				for minute := range int64(9) {
					began := time.Now()
					var all sync.WaitGroup
					var late, failed atomic.Int64
					for range 8 {
						all.Go(func() {
							if err := ask(c); err != nil {
								failed.Add(1)
							}
							if time.Since(began) > 0 {
								late.Add(1)
							}
						})
					}
					all.Wait()
					thirds := minute%3 + 1
					if late.Load() != 1 || time.Since(began) != DefaultTimeout/3*time.Duration(thirds) || searches.Load() != minute+1 {
						t.Errorf("%d waited, %s, %d searches", late.Load(), time.Since(began), searches.Load())
					}
					if failed.Load() > thirds/3 {
						t.Errorf("minute %d: %d questions failed", minute, failed.Load())
					}
					pass(discoveryPause)
				}
				introspection, _ := c.IntrospectionGovernor()
				if c.Governor().Circuit != Closed || introspection.Circuit != Closed {
					t.Error("a circuit is open")
				}
			})
		})
	}
}
