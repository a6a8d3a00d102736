package authrequest

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/internal/accesslog"
	"github.com/neonauthd/neonauthd/internal/e2e/need"
)

func TestEachRequestLeavesALineThatNamesNobody(t *testing.T) {
	t.Parallel()
	path := filepath.Join(need.Folder(t), "access")
	s := quietService(t, new(pickyDaemon).client())
	key := accesslog.NewKey()
	if err := s.Record("file:"+path, key); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); s.Run(ctx) }()
	want := []map[string]any{
		{"dialect": "nginx", "level": "claims", "project": "main", "outcome": "accepted", "source": "cache", "status": 204.0, "subject": key.Subject("6f2c1d52-3c1b-4c0e-9a5e-0b7f5d0f8a11")},
		{"dialect": "nginx", "level": "claims", "project": "shop", "outcome": "rejected", "reason": "bad-signature", "status": 401.0},
		{"dialect": "nginx", "level": "claims", "outcome": "rejected", "reason": "no-token", "status": 401.0},
		{"dialect": "nginx", "outcome": "faulty", "reason": "misconfigured-location", "status": 500.0},
		{"outcome": "no-route", "reason": "no-route", "status": 404.0},
	}
	for _, r := range [][2]string{{"/nginx", theToken}, {"/nginx?project=shop", "a.b.cd"}, {"/nginx", ""}, {"/nginx?canary=1", theToken}, {"/canary", theToken}} {
		request := httptest.NewRequest(http.MethodGet, r[0], http.NoBody)
		request.Header.Set("X-Neonauth-Visitor", "192.0.2.7")
		if r[1] != "" {
			request.Header.Set("Authorization", "Bearer "+r[1])
		}
		s.ServeHTTP(httptest.NewRecorder(), request)
	}
	cancel()
	<-ended
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if len(lines) != len(want) {
		t.Fatalf("%d lines, want %d:\n%s", len(lines), len(want), text)
	}
	for i, line := range lines {
		var got map[string]any
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatal(err)
		}
		if got["time"] == nil || got["duration"] == nil {
			t.Errorf("%s has no time", line)
		}
		delete(got, "time")
		delete(got, "duration")
		if a, b := encoded(t, got), encoded(t, want[i]); a != b {
			t.Errorf("line %d is\n%s\nwant\n%s", i, a, b)
		}
	}
	for _, secret := range []string{theToken, "6f2c1d52", "ada@example.org", "Ada", "canary", "192.0.2.7", "a.b.cd"} {
		if strings.Contains(string(text), secret) {
			t.Errorf("%s is in the access log", secret)
		}
	}
}

func encoded(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
