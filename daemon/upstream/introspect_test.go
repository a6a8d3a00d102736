package upstream

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/protocol"
)

func introspectingConfig(perMinute int) Config {
	return Config{Preset: Neon, BaseURL: "https://auth.example/neondb/auth",
		Introspection: &Introspection{URL: "https://auth.example/introspect", ClientID: "a client:", Secret: NewSecret("s%cret+canary"), PerMinute: perMinute}}
}

func takeAll([]byte, time.Time) (protocol.Outcome, string) { return protocol.Accepted(), "" }

// TestTheLimitHoldsWithinAnyMinute, even the smallest limit, and at least half of it is
// used.
func TestTheLimitHoldsWithinAnyMinute(t *testing.T) {
	for _, limit := range []int{1, 2, 3, 4, 5, 99, 100, 101, 1000} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				var sent []time.Time
				c := inMemory(t, introspectingConfig(limit), func(*http.Request) (*http.Response, error) {
					mu.Lock()
					defer mu.Unlock()
					sent = append(sent, time.Now())
					return response(200, jsonType, `{"active":true}`), nil
				})
				var all sync.WaitGroup
				for range 20 * 60 {
					for range max(1, limit/100) {
						all.Go(func() { _, _ = c.Introspect(context.Background(), []byte("t"), takeAll, fair.Asker{}, Interactive) })
					}
					time.Sleep(time.Second / 2)
				}
				all.Wait()
				for i := limit; i < len(sent); i++ {
					if sent[i].Sub(sent[i-limit]) < time.Minute {
						t.Fatalf("%d questions within %s", limit+1, sent[i].Sub(sent[i-limit]))
					}
				}
				if least := limit * 10 / 2; len(sent) < least {
					t.Errorf("%d questions in ten minutes, want %d", len(sent), least)
				}
			})
		})
	}
}

// TestTheClientShowsItselfAsItIsRegistered: a secret may have any characters.
func TestTheClientShowsItselfAsItIsRegistered(t *testing.T) {
	for _, basic := range []bool{false, true} {
		config := introspectingConfig(100)
		config.Introspection.Basic = basic
		var got string
		c := inMemory(t, config, func(r *http.Request) (*http.Response, error) {
			if err := r.ParseForm(); err != nil {
				t.Error(err)
			}
			got = r.Method + " " + r.URL.String() + " " + r.PostForm.Encode() + " " + r.Header.Get("Authorization")
			return response(200, jsonType, `{"active":true}`), nil
		})
		if _, err := c.Introspect(t.Context(), []byte("to~ken+/="), takeAll, fair.Asker{}, Interactive); err != nil {
			t.Fatal(err)
		}
		want := "POST https://auth.example/introspect client_id=a+client%3A&client_secret=s%25cret%2Bcanary&token=to~ken%2B%2F%3D&token_type_hint=access_token "
		if basic {
			want = "POST https://auth.example/introspect token=to~ken%2B%2F%3D&token_type_hint=access_token Basic YStjbGllbnQlM0E6cyUyNWNyZXQlMkJjYW5hcnk="
		}
		if got != want {
			t.Errorf("basic %v: %s", basic, got)
		}
	}
}

// TestNothingIsAskedWithoutAClient, nor without its secret, which is a misconfiguration.
func TestNothingIsAskedWithoutAClient(t *testing.T) {
	config := introspectingConfig(100)
	config.Introspection.Secret = Secret{}
	for name, config := range map[string]Config{"no secret": config, "no client": {Preset: Neon, BaseURL: "https://auth.example"}} {
		c := inMemory(t, config, func(*http.Request) (*http.Response, error) {
			t.Error("asked")
			return nil, http.ErrServerClosed
		})
		_, err := c.Introspect(t.Context(), []byte("t"), takeAll, fair.Asker{}, Interactive)
		if e := failure(t, err); !e.Local || name == "no secret" && e.Meaning != Misconfigured || strings.Contains(e.Error(), "canary") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestTheEndpointComesFromTheMetadata, if none is configured.
func TestTheEndpointComesFromTheMetadata(t *testing.T) {
	for document, want := range map[string]string{
		`"introspection_endpoint":"https://auth.example/oauth2/introspect"`: "https://auth.example/oauth2/introspect",
		`"introspection_endpoint":"http://auth.example/oauth2/introspect"`:  "", // over https came plain http
		`"other":1`: "",
	} {
		config := introspectingConfig(100)
		config.Introspection.URL = ""
		asked := ""
		c := inMemory(t, config, func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodGet {
				return response(200, jsonType, `{"issuer":"https://auth.example/neondb/auth",`+document+`}`), nil
			}
			asked = r.URL.String()
			return response(200, jsonType, `{"active":true}`), nil
		})
		_, err := c.Introspect(t.Context(), []byte("t"), takeAll, fair.Asker{}, Interactive)
		if asked != want || (err == nil) != (want != "") || err != nil && failure(t, err).Meaning != Misconfigured {
			t.Errorf("%s: asked at %q, %v", document, asked, err)
		}
	}
}

// TestTheFormOfAnOpaqueAccessToken at each of its bounds.
func TestTheFormOfAnOpaqueAccessToken(t *testing.T) {
	long := strings.Repeat("x", maxAccessToken)
	for text, is := range map[string]bool{
		long[:minAccessToken-1]: false, long[:minAccessToken]: true, long[:minAccessToken+1]: true,
		long[1:]: true, long: true, long + "x": false,
		"QYFLZsUbFxaZgDTfAQyujNUBlUgMNtlg": true, "ory_at_QYFLZsUbFxaZgDTfAQyuj.NUBlUgMNtlg": true, "aaaaaaaaaaa.b.c.d.eeeeeeeee": true,
		"eyJhbGciOi.eyJzdWIiOi.c2lnbmF0dXJl": false, "QYFLZsUbFxaZgDTfAQyujNUBlUgM==": true, "====================": false, "QYFLZsUbFxaZ=DTfAQyujNUBlUgM": false,
		"QYFLZsUbFxaZ DTfAQyujNUBlUgM": false, "QYFLZsUbFxaZ%DTfAQyujNUBlUgM": false, "QYFLZsUbFxaZ\nDTfAQyujNUBlUgM": false,
		neonSession: false, unknownKey(false).text: false,
	} {
		if got := OpaqueAccessToken([]byte(text)); got != is {
			t.Errorf("%.40q, %d bytes: %v", text, len(text), got)
		}
	}
}

// TestATokenThatBreaksALimitIsMisconfiguredAlone: this says nothing against the upstream or the client.
func TestATokenThatBreaksALimitIsMisconfiguredAlone(t *testing.T) {
	c := inMemory(t, introspectingConfig(6000), answerWith(200, map[string]string{"Content-Type": "application/json"}, `{"active":true}`))
	breaks := func([]byte, time.Time) (protocol.Outcome, string) {
		return protocol.Unknown(protocol.CodeMisconfigured), "too long"
	}
	for i := range 2 * tripAfter {
		_, err := c.Introspect(context.Background(), fmt.Append(nil, "token ", i), breaks, fair.Asker{}, Interactive)
		want(t, err, Misconfigured, "")
	}
	if _, err := c.Introspect(context.Background(), []byte("another"), takeAll, fair.Asker{}, Interactive); err != nil {
		t.Error(err)
	}
	if s, _ := c.IntrospectionGovernor(); s.Circuit != Closed || s.Refused != 0 {
		t.Errorf("got %+v", s)
	}
}
