package upstream

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/internal/program"
)

func TestSelfTestOfStack(t *testing.T) {
	tests := map[string]Meaning{
		"CANNOT_GET_OWN_USER_WITHOUT_USER": Answered,
		"INVALID_SECRET_SERVER_KEY":        Misconfigured,
		"CURRENT_PROJECT_NOT_FOUND":        Misconfigured,
		"SERVER_AUTHENTICATION_REQUIRED":   Misconfigured,
		// Nobody was asked about, so nobody can be denied.
		"UNPARSABLE_ACCESS_TOKEN": Misconfigured,
		"USER_NOT_FOUND":          Misconfigured,
	}
	seen := 0
	for _, a := range load[[]stackAnswer](t, "stack/errors.json") {
		meaning, listed := tests[a.Code]
		if !listed {
			continue
		}
		seen++
		t.Run(a.Code, func(t *testing.T) {
			c := open(t, stackConfig(serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("X-Stack-Access-Token") != "" || r.Header.Get("X-Stack-Secret-Server-Key") != serverKey {
					t.Error("not the request of a self-test")
				}
				a.replay(w, r)
			}).URL))
			err := c.SelfTest(context.Background())
			if meaning == Answered {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			want(t, err, meaning, "")
		})
	}
	if seen != len(tests) {
		t.Errorf("%d answers, want %d", seen, len(tests))
	}
	for name, h := range map[string]http.HandlerFunc{
		"a user": reply(200, jsonType, `{"id":"`+stackUser+`"}`),
		"a wall": reply(403, nil, "<h1>Forbidden</h1>"),
	} {
		if err := open(t, stackConfig(serve(t, h).URL)).SelfTest(context.Background()); err == nil {
			t.Errorf("%s: passed", name)
		} else {
			want(t, err, Misconfigured, "")
		}
	}
	want(t, open(t, stackConfig(serve(t, reply(502, nil, "")).URL)).SelfTest(context.Background()), Unavailable, "")
}

func TestWithoutAServerKeyNothingIsSent(t *testing.T) {
	config := stackConfig(serve(t, func(http.ResponseWriter, *http.Request) { t.Error("a request was sent") }).URL)
	config.ServerKey = Secret{}
	c := open(t, config)
	if e := want(t, c.SelfTest(context.Background()), Misconfigured, ""); !e.Local {
		t.Errorf("got %+v", e)
	}
	_, err := profile(c)
	if e := want(t, err, Misconfigured, ""); !e.Local {
		t.Errorf("got %+v", e)
	}
}

func TestSelfTestOfTheOthersFetchesKeys(t *testing.T) {
	c := open(t, neonConfig(serve(t, reply(200, jsonType, `{"keys":[]}`)).URL))
	if err := c.SelfTest(context.Background()); err != nil {
		t.Error(err)
	}
	c = open(t, neonConfig(serve(t, http.NotFound).URL))
	want(t, c.SelfTest(context.Background()), Misconfigured, "")
	c = open(t, oidcConfig(newIssuer(t, wellKnown, http.NotFound).URL))
	if err := c.SelfTest(context.Background()); err != nil {
		t.Error(err)
	}
}

// turned is a handler whose records are of a time that the test turns.
type turned struct {
	slog.Handler
	now *time.Time
}

func (h turned) Handle(ctx context.Context, r slog.Record) error {
	r.Time = *h.now
	return h.Handler.Handle(ctx, r)
}

func TestTheOperatorHearsOfEachThingOnceInAWhile(t *testing.T) {
	var log strings.Builder
	answers := reply(403, nil, "canary")
	now := time.Now()
	config := stackConfig(serve(t, func(w http.ResponseWriter, r *http.Request) { answers(w, r) }).URL)
	config.Now = func() time.Time { return now }
	rare := program.NewRare(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelError}))
	config.Logger = slog.New(turned{rare, &now})
	c := open(t, config)
	lines := func(n int) {
		t.Helper()
		for range 3 {
			if _, err := profile(c); err == nil {
				t.Fatal("accepted")
			}
		}
		if got := strings.Count(log.String(), "\n"); got != n {
			t.Fatalf("%d lines, want %d:\n%s", got, n, &log)
		}
	}
	lines(1)
	now = now.Add(attentionInterval - 1)
	lines(1)
	now = now.Add(1)
	lines(2)
	answers = reply(200, jsonType, `{"id":"somebody-else-canary"}`) // not a misconfiguration, but loud
	lines(3)
	answers = reply(200, jsonType, `canary`) // for one user it may stay so for ever
	lines(4)
	answers = reply(500, nil, "canary") // passes by itself
	lines(4)
	answers = reply(403, nil, "canary")
	c = open(t, config) // as after a reload with another key, which is wrong too
	lines(5)
	if text := log.String(); strings.Contains(text, "canary") || strings.Contains(text, token) {
		t.Errorf("the log repeats what must not be told:\n%s", text)
	}
}
