package upstream

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/internal/strictjson"
)

// askAbout asks for the profile of one of many users.
func askAbout(c *Client, n int) error {
	_, err := c.Profile(context.Background(), []byte(token), fmt.Sprint("user-", n), fair.Asker{}, Interactive)
	return err
}

// goodFor answers with the profile of the user that is asked for.
func goodFor(n int) func(*http.Request) (*http.Response, error) {
	return answerWith(200, jsonType, fmt.Sprintf(`{"id":"user-%d"}`, n))
}

// misfits are answers that are no answer, and what they mean.
func misfits() map[string]struct {
	answer func(*http.Request) (*http.Response, error)
	means  Meaning
} {
	page := map[string]string{"Content-Type": "text/html"}
	return map[string]struct {
		answer func(*http.Request) (*http.Response, error)
		means  Meaning
	}{
		"bare 401":      {answerWith(401, page, "<p>"), Misconfigured},
		"bare 403":      {answerWith(403, page, "<p>"), Misconfigured},
		"bare 404":      {answerWith(404, nil, ""), Misconfigured},
		"redirect":      {answerWith(302, map[string]string{"Location": "/login"}, ""), Misconfigured},
		"204":           {answerWith(204, nil, ""), Misconfigured},
		"wrong key":     {answerWith(401, map[string]string{"X-Stack-Known-Error": "INVALID_SECRET_SERVER_KEY"}, `{"code":"INVALID_SECRET_SERVER_KEY"}`), Misconfigured},
		"408":           {answerWith(408, nil, ""), Unavailable},
		"425":           {answerWith(425, nil, ""), Unavailable},
		"page":          {answerWith(200, page, "<p>"), Unavailable},
		"not JSON":      {answerWith(200, jsonType, "<p>"), Unavailable},
		"somebody else": {answerWith(200, jsonType, goodProfile), Unavailable},
	}
}

// TestAnUpstreamThatBlocksEverybodyIsNotAskedAtTheFullRate: after answers of that kind to several users in a row, one
// request tries after each pause. Meanwhile lookups get the same failure, and the first good answer ends it.
func TestAnUpstreamThatBlocksEverybodyIsNotAskedAtTheFullRate(t *testing.T) {
	for name, test := range misfits() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sent, answer := 0, test.answer
				c := inMemory(t, memoryConfig(1000), func(r *http.Request) (*http.Response, error) {
					sent++
					return answer(r)
				})
				for n := range tripAfter {
					if e := want(t, askAbout(c, n), test.means, ""); e.Local {
						t.Fatalf("user %d: %+v", n, e)
					}
				}
				longest, text := time.Duration(0), ""
				for n := range 8 {
					before, s := sent, c.Governor()
					if s.Circuit != Open {
						t.Fatalf("circuit %v", s.Circuit)
					}
					wait := time.Until(s.OpenUntil)
					longest = max(longest, wait)
					for _, err := range []error{askAbout(c, 100+n), ask(c, Background), c.MayAskProfile([]byte(token), stackUser)} {
						e := want(t, err, test.means, "")
						if !e.Local || e.RetryAfter != wait || sent != before || text != "" && e.Error() != text {
							t.Fatalf("%d sent, %+v", sent-before, e)
						}
						text = e.Error()
					}
					pass(wait)
					if want(t, askAbout(c, 0), test.means, ""); sent != before+1 { // somebody who has had such an answer before
						t.Fatalf("%d trials", sent-before)
					}
				}
				if longest < longestBlocked*8/10 || longest > longestBlocked*11/10 {
					t.Errorf("longest pause %v", longest)
				}
				pass(time.Until(c.Governor().OpenUntil))
				answer = goodFor(1)
				if err := askAbout(c, 1); err != nil {
					t.Fatal(err)
				}
				answer = test.answer
				for n := range tripAfter {
					if s := c.Governor(); s.Circuit != Closed {
						t.Fatalf("circuit %v after %d such answers", s.Circuit, n)
					}
					want(t, askAbout(c, n), test.means, "")
				}
			})
		})
	}
}

// TestOneUsersTroubleHoldsNobodyBack, nor that of several users among others, nor that of credentials which anybody can
// make up.
func TestOneUsersTroubleHoldsNobodyBack(t *testing.T) {
	for name, test := range misfits() {
		for kind, ask := range map[string]func(c *Client, n int) error{
			"one user":   func(c *Client, _ int) error { return askAbout(c, 7) },
			"some users": func(c *Client, n int) error { return askAbout(c, n%(tripAfter-1)) },
			"API keys": func(c *Client, n int) error {
				_, err := c.Profile(context.Background(), []byte(unknownKey(n%2 == 0).text), "", fair.Asker{}, Interactive)
				return err
			},
			"made up": func(c *Client, n int) error {
				_, err := c.Profile(context.Background(), []byte(token), fmt.Sprint("user-", n), fair.Asker{}, Unproved)
				return err
			},
		} {
			t.Run(name+" "+kind, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := inMemory(t, memoryConfig(1000), test.answer)
					for n := range 10 * tripAfter {
						if e := failure(t, ask(c, n)); e.Local {
							t.Fatalf("held back: %v", e)
						}
					}
					if s := c.Governor(); s.Circuit != Closed {
						t.Errorf("circuit %v", s.Circuit)
					}
				})
			})
		}
		t.Run(name+" among others", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				answer := test.answer
				c := inMemory(t, memoryConfig(1000), func(r *http.Request) (*http.Response, error) { return answer(r) })
				for n := range 10 * tripAfter {
					answer = test.answer
					if n%tripAfter == 0 {
						answer = goodFor(n)
					}
					if err := askAbout(c, n); err != nil && failure(t, err).Local || (err == nil) != (n%tripAfter == 0) {
						t.Fatalf("user %d: %v", n, err)
					}
				}
			})
		})
	}
}

// TestTheDiscoveryDocumentIsNoUsersData: what is wrong with it concerns everybody.
func TestTheDiscoveryDocumentIsNoUsersData(t *testing.T) {
	c := inMemory(t, memoryConfig(1000), answerWith(200, jsonType, `{}`))
	_, e := c.readMetadata(&answer{status: 200, header: http.Header{"Content-Type": {"application/json"}}, body: []byte(`{"issuer":"a","issuer":"b"}`)}, "a")
	if e == nil || e.ofOne || !strings.Contains(e.Cause(), strictjson.GivenTwice) || strings.Contains(e.next(), "one user") {
		t.Errorf("%+v", e)
	}
}

// TestWhatIsTooLongAndNoProfileIsNoUsersData: a page, or the key set.
func TestWhatIsTooLongAndNoProfileIsNoUsersData(t *testing.T) {
	for name, test := range map[string]struct {
		header map[string]string
		ask    func(*Client) error
		most   int
	}{
		"a page":  {map[string]string{"Content-Type": "text/html"}, func(c *Client) error { return askAbout(c, 1) }, MaxProfileBody},
		"key set": {jsonType, func(c *Client) error { _, err := c.Keyset(context.Background(), Validators{}); return err }, MaxKeysetBody},
	} {
		t.Run(name, func(t *testing.T) {
			c := inMemory(t, memoryConfig(1000), answerWith(200, test.header, strings.Repeat(" ", test.most+1)))
			e := want(t, test.ask(c), Unavailable, "")
			if e.ofOne || !strings.Contains(e.Cause(), fmt.Sprintf("more than %d bytes", test.most)) {
				t.Errorf("%+v", e)
			}
		})
	}
}

// TestDataOfUsersSaysNothingAgainstTheUpstream: users can write some members of their profiles. However many of them write
// what this daemon refuses, others are asked about.
func TestDataOfUsersSaysNothingAgainstTheUpstream(t *testing.T) {
	for name, member := range map[string]string{
		"a control character":           `"x":{"line\nbreak":1}`,
		"more than 4194304 bytes":       `"x":"` + strings.Repeat("x", MaxProfileBody) + `"`,
		"more than 64 levels":           `"x":` + strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth),
		"a number beyond every float64": `"x":1e999`,
		"a name given twice":            `"x":{"a":1,"a":2}`,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := inMemory(t, memoryConfig(1000), answerWith(200, jsonType, `{"id":"`+stackUser+`",`+member+`}`))
				for n := range 2 * tripAfter {
					e := want(t, askAbout(c, n), Unavailable, "")
					if !e.Unfit() || e.Local || !strings.Contains(e.Cause(), name) || !strings.Contains(e.next(), "other users are not concerned") {
						t.Fatalf("user %d: %+v, next %q", n, e, e.next())
					}
				}
				if s := c.Governor(); s.Circuit != Closed {
					t.Errorf("circuit %v", s.Circuit)
				}
			})
		})
	}
}

// TestWhileBlockedAFailureIsToldAsOne: the last trial says why nothing is sent. A made-up credential is no trial.
func TestWhileBlockedAFailureIsToldAsOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answer := answerWith(403, nil, "")
		c := inMemory(t, memoryConfig(1000), func(r *http.Request) (*http.Response, error) { return answer(r) })
		for n := range tripAfter {
			want(t, askAbout(c, n), Misconfigured, "")
		}
		pass(time.Until(c.Governor().OpenUntil))
		want(t, ask(c, Unproved), Misconfigured, "")
		if s := c.Governor(); s.Circuit != HalfOpen {
			t.Errorf("circuit %v after a made-up credential", s.Circuit)
		}
		answer = answerWith(503, nil, "")
		want(t, askAbout(c, 1), Unavailable, "")
		refused(t, askAbout(c, 2))
	})
}

// TestARetryAfterOfAnyErrorHoldsForEverybody, and lookups meanwhile get the same failure. That of a denial does not:
// the denial is an answer.
func TestARetryAfterOfAnyErrorHoldsForEverybody(t *testing.T) {
	later := map[string]string{"Retry-After": "60", "Content-Type": "text/html"}
	for _, status := range []int{400, 401, 403, 404, 408, 425, 451, 499} {
		for _, config := range []Config{stackConfig("https://a.example"), neonConfig("https://a.example"), oidcConfig("https://a.example")} {
			t.Run(fmt.Sprint(status, config.Preset), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					config.UserinfoURL = strings.TrimPrefix("https://a.example/u", map[bool]string{true: "https://a.example/u"}[config.Preset != OIDC])
					sent, limited := 0, true
					c := inMemory(t, config, func(*http.Request) (*http.Response, error) {
						sent++
						if limited {
							return response(status, later, "<p>"), nil
						}
						return response(200, jsonType, `null`), nil
					})
					_, err := profile(c)
					first := failure(t, err)
					if first.RetryAfter != time.Minute || first.Local {
						t.Fatalf("got %+v", first)
					}
					pass(time.Minute - 1)
					_, err = profile(c)
					if e := want(t, err, first.Meaning, ""); !e.Local || e.RetryAfter != 1 || sent != 1 {
						t.Errorf("%d sent, %+v", sent, e)
					}
					limited = false
					pass(1)
					if _, err = profile(c); failure(t, err).Local {
						t.Error(err)
					}
				})
			})
		}
	}
	c := inMemory(t, memoryConfig(1000), answerWith(401, map[string]string{"X-Stack-Known-Error": "ACCESS_TOKEN_EXPIRED", "Retry-After": "60"}, `{"code":"ACCESS_TOKEN_EXPIRED"}`))
	for range 2 {
		if e := failure(t, ask(c, Interactive)); e.Meaning != Denied {
			t.Error(e)
		}
	}
}

// TestTheRetryAfterOfKeysAndIntrospectionCountsToo, whatever the error.
func TestTheRetryAfterOfKeysAndIntrospectionCountsToo(t *testing.T) {
	for _, status := range []int{400, 401, 403, 404} {
		c := inMemory(t, introspectingConfig(100), answerWith(status, map[string]string{"Retry-After": "60"}, ""))
		_, err := c.Introspect(context.Background(), []byte("t"), takeAll, fair.Asker{}, Interactive)
		_, err2 := c.Keyset(context.Background(), Validators{})
		if a, b := failure(t, err), failure(t, err2); a.RetryAfter != time.Minute || b.RetryAfter != time.Minute {
			t.Errorf("%d: %v, %v", status, a.RetryAfter, b.RetryAfter)
		}
	}
}
