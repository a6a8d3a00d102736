package upstream

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/upstream/delay"
)

func TestKeySetsAreFetchedConditionally(t *testing.T) {
	const modified = "Mon, 01 Jun 2026 00:00:00 GMT"
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=3600")
		if r.Header.Get("If-None-Match") == `"v1"` && r.Header.Get("If-Modified-Since") == modified {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Header().Set("ETag", `"v1"`)
		w.Header().Set("Last-Modified", modified)
		reply(200, map[string]string{"Content-Type": "application/jwk-set+json"}, `{"keys":[]}`)(w, r)
	})
	c := open(t, neonConfig(s.URL))
	first, err := c.Keyset(context.Background(), Validators{})
	if err != nil || first.NotModified || string(first.Body) != `{"keys":[]}` || first.MaxAge != time.Hour {
		t.Fatalf("got %+v, %v", first, err)
	}
	second, err := c.Keyset(context.Background(), first.Validators)
	if err != nil || !second.NotModified || second.Body != nil || second.MaxAge != time.Hour {
		t.Fatalf("got %+v, %v", second, err)
	}
	if second.Validators != first.Validators {
		t.Errorf("a 304 without validators lost them: %+v", second.Validators)
	}
}

// TestOnlyLatestAsksCachesToAskTheUpstream: caches may answer a regular fetch.
func TestOnlyLatestAsksCachesToAskTheUpstream(t *testing.T) {
	var control []string
	c := open(t, neonConfig(serve(t, func(w http.ResponseWriter, r *http.Request) {
		control = append(control, strings.Join(r.Header.Values("Cache-Control"), "|"))
		w.Header().Set("Age", "1800")
		reply(200, jsonType, `{"keys":[]}`)(w, r)
	}).URL))
	for _, fetch := range []func(context.Context, Validators) (KeySetResponse, error){c.Keyset, c.LatestKeyset, c.Keyset} {
		if got, err := fetch(context.Background(), Validators{}); err != nil || got.Age != 30*time.Minute {
			t.Errorf("age %s, %v", got.Age, err)
		}
	}
	if want := []string{"", "no-cache", ""}; !slices.Equal(control, want) {
		t.Errorf("Cache-Control %q, want %q", control, want)
	}
}

func TestAge(t *testing.T) {
	for _, test := range []struct {
		age  []string
		want time.Duration
	}{
		{nil, 0},
		{[]string{"0"}, 0},
		{[]string{"1800"}, 30 * time.Minute},
		{[]string{" 1800 "}, 30 * time.Minute},
		{[]string{"0, 1800"}, 30 * time.Minute},
		{[]string{"1800", "60"}, 30 * time.Minute},
		{[]string{""}, 0},
		{[]string{"-5"}, 0},
		{[]string{"1e3"}, 0},
		{[]string{"soon, 60"}, time.Minute},
		{[]string{"99999999999999999999999999"}, delay.MaxSeconds * time.Second},
	} {
		if got := ageOf(http.Header{"Age": test.age}); got != test.want {
			t.Errorf("%q: %s, want %s", test.age, got, test.want)
		}
	}
}

func TestNotModifiedNeedsAQuestion(t *testing.T) {
	c := open(t, neonConfig(serve(t, reply(304, nil, "")).URL))
	_, err := c.Keyset(context.Background(), Validators{})
	want(t, err, Misconfigured, "")
	_, err = c.Keyset(context.Background(), Validators{ETag: "not quoted, so not sent"})
	want(t, err, Misconfigured, "")
}

// TestTheContentSaysWhatIsAKeySet: a bucket or a file server may give a key set any type. A page is no key set,
// whatever its content is.
func TestTheContentSaysWhatIsAKeySet(t *testing.T) {
	const keys, page, text = ` {"keys":[]}`, "<html>{}</html>", "Project not found"
	for _, c := range []struct {
		kind, body string
		good       bool
	}{
		{"application/json", keys, true},
		{"application/json; charset=utf-8", keys, true},
		{"Application/JSON", keys, true},
		{"application/jwk-set+json", keys, true},
		{"application/vnd.x+json", keys, true},
		{`application/json; charset="`, keys, true},
		{"text/plain", keys, true},
		{"text/plain; charset=utf-8", keys, true},
		{"application/octet-stream", keys, true},
		{"binary/octet-stream", keys, true},
		{"", keys, true},
		{"json", keys, true},
		{"application/json", text, true}, // the parser of key sets refuses it
		{"text/html", keys, false},
		{"Text/HTML; charset=utf-8", keys, false},
		{"application/xhtml+xml", keys, false},
		{"text/html", page, false},
		{"text/plain", page, false},
		{"", page, false},
		{"text/plain", text, false},
		{"application/octet-stream", text, false},
		{"", "", false},
		{"text/plain", `[{"keys":[]}]`, false},
	} {
		h := func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = []string{c.kind}
			_, _ = w.Write([]byte(c.body))
		}
		got, err := open(t, neonConfig(serve(t, h).URL)).Keyset(context.Background(), Validators{})
		switch {
		case (err == nil) != c.good:
			t.Errorf("%q, %q: %v", c.kind, c.body, err)
		case err != nil:
			want(t, err, Unavailable, "")
		case string(got.Body) != c.body:
			t.Errorf("%q, %q: got %q", c.kind, c.body, got.Body)
		}
	}
}

func TestKeySetRequestsIgnoreTheProfilesTrouble(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/users/me") {
			reply(429, map[string]string{"Retry-After": "60"}, "")(w, r)
			return
		}
		reply(200, jsonType, `{"keys":[]}`)(w, r)
	})
	config := stackConfig(s.URL)
	config.Rate = 1
	c := open(t, config)
	_, err := profile(c)
	want(t, err, Unavailable, "")
	if c.Governor().RetryUntil.IsZero() {
		t.Fatal("no pause")
	}
	for range 10 {
		if _, err := c.Keyset(context.Background(), Validators{}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestKeySetTroubleIsToldToItsCallerOnly(t *testing.T) {
	c := open(t, neonConfig(serve(t, reply(429, map[string]string{"X-Retry-After": "9"}, "")).URL))
	for range 2 * tripAfter {
		_, err := c.Keyset(context.Background(), Validators{})
		if e := want(t, err, Unavailable, ""); e.RetryAfter != 9*time.Second || e.Local {
			t.Fatalf("got %+v", e)
		}
	}
	if s := c.Governor(); s.Circuit != Closed || !s.RetryUntil.IsZero() || s.Sent != 0 || s.Refused != 0 {
		t.Errorf("got %+v", s)
	}
}

func TestMaxAge(t *testing.T) {
	tests := []struct {
		control []string
		age     string
		want    time.Duration
	}{
		{nil, "", -1},
		{[]string{"public"}, "", -1},
		{[]string{"s-maxage=5, must-revalidate"}, "", -1},
		{[]string{"public, max-age=3600"}, "", time.Hour},
		{[]string{`Max-Age="60"`}, "", time.Minute},
		{[]string{"max-age=60"}, "20", 40 * time.Second},
		{[]string{"max-age=60"}, "90", 0},
		{[]string{"max-age=60"}, "soon", time.Minute},
		{[]string{"max-age=60", "max-age=30"}, "", 30 * time.Second},
		{[]string{"no-store, max-age=0"}, "", 0},
		{[]string{"max-age=60,no-cache"}, "", 0},
		{[]string{"max-age=-1"}, "", 0},
		{[]string{"max-age"}, "", 0},
		{[]string{"max-age=1e3"}, "", 0},
		{[]string{"max-age=99999999999999999999999999"}, "", delay.MaxSeconds * time.Second},
	}
	for _, test := range tests {
		header := http.Header{"Cache-Control": test.control}
		if test.age != "" {
			header.Set("Age", test.age)
		}
		if got := maxAge(header); got != test.want {
			t.Errorf("%v, age %q: %v, want %v", test.control, test.age, got, test.want)
		}
	}
}

func TestValidatorsAreSentBackOnlyIfProper(t *testing.T) {
	const date = "Mon, 01 Jun 2026 00:00:00 GMT"
	for in, want := range map[Validators]Validators{
		{`"a"`, date}:         {`"a"`, date},
		{`W/"a"`, ""}:         {`W/"a"`, ""},
		{`""`, ""}:            {`""`, ""},
		{`a`, "yesterday"}:    {},
		{`"`, ""}:             {},
		{"\"a\r\nX: y\"", ""}: {},
		{`"` + strings.Repeat("a", 300) + `"`, date}: {"", date},
	} {
		if got := in.clean(); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	tests := []struct {
		name, value string
		want        time.Duration
	}{
		{"Retry-After", "7", 7 * time.Second},
		{"X-Retry-After", "5", 5 * time.Second},
		{"Retry-After", " 7 ", 7 * time.Second},
		{"Retry-After", "0", delay.Least},
		{"Retry-After", "Mon, 01 Jun 2026 00:00:30 GMT", 30 * time.Second},
		{"Retry-After", "Sun, 31 May 2026 00:00:30 GMT", delay.Least},
		{"Retry-After", "Fri, 01 Jan 2100 00:00:00 GMT", MaxRetryAfter},
		{"Retry-After", "300", MaxRetryAfter},
		{"Retry-After", "301", MaxRetryAfter},
		{"Retry-After", "99999999999999999999999", MaxRetryAfter},
		{"Retry-After", "-5", 0},
		{"Retry-After", "1.5", 0},
		{"Retry-After", "soon", 0},
		{"Retry-After", "", 0},
		{"X-Other", "7", 0},
	}
	for _, test := range tests {
		if got := delay.RetryAfter(http.Header{test.name: {test.value}}, now, MaxRetryAfter); got != test.want {
			t.Errorf("%s: %q: %v, want %v", test.name, test.value, got, test.want)
		}
	}
	// The upstream's clock is an hour ahead, or this host's is behind.
	dated := http.Header{"Date": {"Mon, 01 Jun 2026 01:00:00 GMT"}, "Retry-After": {"Mon, 01 Jun 2026 01:00:30 GMT"}}
	if got := delay.RetryAfter(dated, now, MaxRetryAfter); got != 30*time.Second {
		t.Errorf("a date half a minute after the answer's: %v", got)
	}
	both := http.Header{"Retry-After": {"3"}, "X-Retry-After": {"8"}}
	if got := delay.RetryAfter(both, now, MaxRetryAfter); got != 8*time.Second {
		t.Errorf("of two hints: %v", got)
	}
}
