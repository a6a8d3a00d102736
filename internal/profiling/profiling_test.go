package profiling

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// server serves profiles while allowed points to true.
func server(t *testing.T, allowed *bool) *Handler {
	t.Helper()
	return New(func() bool { return *allowed }, slog.New(slog.DiscardHandler))
}

func get(ctx context.Context, h http.Handler, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, Prefix+path, http.NoBody).WithContext(ctx))
	return w
}

func TestNothingIsServedUnlessItIsAllowed(t *testing.T) {
	allowed := false
	h := server(t, &allowed)
	for _, path := range append(snapshots(), "", cpu, trace) {
		if w := get(t.Context(), h, path); w.Code != http.StatusNotFound {
			t.Errorf("%q: %d", path, w.Code)
		}
	}
	allowed = true
	if w := get(t.Context(), h, ""); w.Code != http.StatusOK || !strings.HasPrefix(w.Body.String(), "profile?seconds=30\n") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestWhatIsServedIsAProfile in pprof's form, which is compressed, or as text.
func TestWhatIsServedIsAProfile(t *testing.T) {
	allowed := true
	h := server(t, &allowed)
	for _, path := range append(snapshots(), "heap?gc=1", "goroutine?debug=1") {
		w := get(t.Context(), h, path)
		if begins := []byte{0x1f, 0x8b}; w.Code != http.StatusOK || w.Body.Len() == 0 || strings.Contains(path, "debug") == bytes.HasPrefix(w.Body.Bytes(), begins) {
			t.Errorf("%s: %d, %.20q", path, w.Code, w.Body)
		}
	}
}

func TestOnlyProfilesAreServedAndNoArguments(t *testing.T) {
	allowed := true
	h := server(t, &allowed)
	for path, want := range map[string]int{
		"cmdline": http.StatusNotFound, "symbol": http.StatusNotFound, "heap/": http.StatusNotFound, "../heap": http.StatusNotFound, "canary": http.StatusNotFound,
		"goroutine?debug=2": http.StatusBadRequest, "goroutine?debug=10": http.StatusBadRequest, "heap?debug=x": http.StatusBadRequest,
		"profile?seconds=0": http.StatusBadRequest, "profile?seconds=-1": http.StatusBadRequest, "trace?seconds=.5": http.StatusBadRequest,
		fmt.Sprint("profile?seconds=", MaxSeconds+1): http.StatusBadRequest, "heap?seconds=3600": http.StatusBadRequest,
	} {
		w := get(t.Context(), h, path)
		if w.Code != want || strings.Contains(w.Body.String(), "canary") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	for seconds := range map[int]bool{1: true, MaxSeconds - 1: true, MaxSeconds: true} {
		if q, err := read(cpu, map[string][]string{"seconds": {fmt.Sprint(seconds)}}); err != nil || q.seconds != seconds {
			t.Errorf("%d seconds: %v", seconds, err)
		}
	}
}

// TestOneProfileAtATime: a profile ends when its client leaves.
func TestOneProfileAtATime(t *testing.T) {
	allowed := true
	said := &bytes.Buffer{}
	h := New(func() bool { return allowed }, slog.New(slog.NewTextHandler(said, nil)))
	server := httptest.NewServer(h)
	defer server.Close()
	ctx, leave := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+Prefix+"trace?seconds=60", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	first, err := server.Client().Do(r) // a trace begins with its header
	if err != nil {
		t.Fatal(err)
	}
	defer first.Body.Close()
	if _, err := io.ReadFull(first.Body, make([]byte, 2)); err != nil {
		t.Fatal(err)
	}
	if w := get(t.Context(), h, "heap"); w.Code != http.StatusServiceUnavailable {
		t.Errorf("a second one: %d", w.Code)
	}
	leave()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for timeout := time.After(20 * time.Second); h.busy.Load(); {
		select {
		case <-ticker.C:
		case <-timeout:
			t.Fatal("the trace goes on")
		}
	}
	if w := get(t.Context(), h, "heap"); w.Code != http.StatusOK || !strings.Contains(said.String(), `msg="profile taken" profile=trace seconds=60`) {
		t.Errorf("afterwards: %d, said %s", w.Code, said)
	}
}
