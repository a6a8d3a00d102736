package middleware_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/client/clienttest"
	"github.com/neonauthd/neonauthd/client/middleware"
	"github.com/neonauthd/neonauthd/protocol"
)

// asking sends a request with a token through a guard and returns the status.
func asking(ctx context.Context, g *middleware.Guard, token string) int {
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/", http.NoBody)
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	g.Wrap(http.HandlerFunc(show)).ServeHTTP(w, r)
	return w.Code
}

// logging returns where slog.Default writes during the test.
func logging(t *testing.T) *bytes.Buffer {
	t.Helper()
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewJSONHandler(&log, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	return &log
}

func TestAnOutageLeavesOneLineAndThenFewMore(t *testing.T) {
	log := logging(t)
	synctest.Test(t, func(t *testing.T) {
		g := &middleware.Guard{Client: &client.Client{Socket: "/nonexistent/socket"}}
		for _, step := range []struct {
			after    time.Duration
			requests int
			lines    []float64 // the number of requests in each line
		}{
			{0, 1, []float64{1}},
			{time.Second, 5, nil},
			{58 * time.Second, 1, nil},
			{time.Second, 1, []float64{7}},
			{0, 1, nil},
			{time.Hour, 2, []float64{2}},
		} {
			time.Sleep(step.after)
			log.Reset()
			for range step.requests {
				if status := asking(t.Context(), g, "good.a.b"); status != http.StatusServiceUnavailable {
					t.Fatalf("got %d", status)
				}
			}
			var counts []float64
			for line := range strings.Lines(log.String()) {
				var l map[string]any
				if err := json.Unmarshal([]byte(line), &l); err != nil {
					t.Fatal(err)
				}
				counts = append(counts, l["requests"].(float64))
				if l["level"] != "WARN" || l["socket"] != "/nonexistent/socket" || !strings.Contains(l["cause"].(string), "not reachable") || strings.Contains(line, "good.a.b") {
					t.Errorf("the line is %s", line)
				}
			}
			if fmt.Sprint(counts) != fmt.Sprint(step.lines) {
				t.Errorf("after %s the lines count %v, want %v", step.after, counts, step.lines)
			}
		}
	})
}

func TestOnlyWhatIsUnknownLeavesATrace(t *testing.T) {
	log := logging(t)
	fake := new(clienttest.Fake)
	fake.Accept("ada", client.User{ID: "ada"})
	fake.Reject("old", protocol.ReasonExpired)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	g := &middleware.Guard{Client: fake}
	for token, ctx := range map[string]context.Context{"ada": t.Context(), "old": t.Context(), "a b": t.Context()} {
		asking(ctx, g, token)
	}
	if status := asking(gone, g, "ada"); status != http.StatusServiceUnavailable { // the visitor of this request has left
		t.Errorf("got %d", status)
	}
	if log.Len() > 0 {
		t.Errorf("the log says %s", log)
	}
}

func TestOnUnknownIsToldOfEachAnswer(t *testing.T) {
	log := logging(t)
	fake := new(clienttest.Fake)
	fake.Unknown("outage", protocol.CodeBusy)
	var told []client.Unknown
	g := &middleware.Guard{Client: fake, OnUnknown: func(r *http.Request, u client.Unknown) {
		if r.Header.Get("Authorization") != "" {
			told = append(told, u)
		}
	}}
	for range 3 {
		asking(t.Context(), g, "outage")
	}
	if len(told) != 3 || told[0].Code != protocol.CodeBusy || log.Len() > 0 {
		t.Errorf("told %v, and the log says %s", told, log)
	}
}

func TestAnAskerWithoutASocketHasATraceToo(t *testing.T) {
	log := logging(t)
	fake := new(clienttest.Fake)
	asking(t.Context(), &middleware.Guard{Client: fake}, "ada")
	if !strings.Contains(log.String(), `"socket":""`) || !strings.Contains(log.String(), "the test says nothing about this token") {
		t.Errorf("the log says %s", log)
	}
}

func TestANilClientIsTheSharedOne(t *testing.T) {
	var none *client.Client
	if status := asking(t.Context(), &middleware.Guard{Client: none}, "project=other"); status != http.StatusUnauthorized {
		t.Errorf("got %d", status)
	}
}

// at is a fake that has a socket, as a Client has.
type at struct {
	clienttest.Fake
	path string
}

func (a *at) Path() string { return a.path }

func TestALineSaysThatTheVariableIsNotSetWhereTheSocketIsTheDefault(t *testing.T) {
	for _, test := range []struct {
		socket, variable string
		hint             bool
	}{
		{protocol.DefaultSocket, "", true},
		{protocol.DefaultSocket, protocol.DefaultSocket, false},
		{"/nonexistent/socket", "", false},
	} {
		t.Setenv(client.SocketVariable, test.variable)
		fake := &at{path: test.socket}
		fake.Unknown("outage", protocol.CodeUnavailable)
		log := logging(t)
		asking(t.Context(), &middleware.Guard{Client: fake}, "outage")
		if hint := strings.Contains(log.String(), client.SocketVariable+" is not set"); hint != test.hint {
			t.Errorf("socket %s, variable %q: %s", test.socket, test.variable, log)
		}
	}
}

func TestALineSaysWhatHasToBeMended(t *testing.T) {
	text, err := os.ReadFile("../testdata/traces/hints.json")
	if err != nil {
		t.Fatal(err)
	}
	var hints map[protocol.Code]string
	if err := json.Unmarshal(text, &hints); err != nil || len(hints) == 0 {
		t.Fatalf("%d hints: %v", len(hints), err)
	}
	for _, code := range protocol.Codes() {
		if _, ok := hints[code]; !ok {
			t.Errorf("no word about %s: say what has to be mended, or that nothing has", code)
		}
	}
	for code, hint := range hints {
		fake := new(clienttest.Fake)
		fake.Answer("asked", client.Unknown{Code: code, Err: errors.New("neonauthd: daemon answers " + string(code))})
		log := logging(t)
		if status := asking(t.Context(), &middleware.Guard{Client: fake}, "asked"); status != http.StatusServiceUnavailable {
			t.Errorf("%s: got %d", code, status)
		}
		var line struct{ Msg, Hint string }
		if err := json.Unmarshal(log.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		outage := strings.Contains(line.Msg, "cannot tell whether tokens are good")
		refused := strings.Contains(line.Msg, "does not answer what the guard asks")
		if line.Hint != hint || outage != (hint == "") || refused == outage {
			t.Errorf("%s: %s", code, log)
		}
	}
}
