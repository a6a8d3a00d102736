package main

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/client/clienttest"
	"github.com/neonauthd/neonauthd/protocol"
)

// The service without a daemon: a fake answers in its place.
func TestAccount(t *testing.T) {
	slog.SetDefault(slog.New(slog.DiscardHandler)) // the guard writes about the outage below
	fake := new(clienttest.Fake)
	fake.Accept("token-of-ada", client.User{ID: "ada", Email: "ada@example.org"})
	fake.Reject("old-token", protocol.ReasonExpired)
	fake.Unknown("token-in-an-outage", protocol.CodeUnavailable)
	service := routes(fake)
	for _, test := range []struct {
		path, token string
		status      int
		says        string
	}{
		{"/", "", http.StatusOK, "everybody"},
		{"/account", "token-of-ada", http.StatusOK, `{"email":"ada@example.org","user":"ada"}`},
		{"/account", "", http.StatusUnauthorized, ""},
		{"/account", "old-token", http.StatusUnauthorized, ""},
		{"/account", "token-in-an-outage", http.StatusServiceUnavailable, ""},
	} {
		r := httptest.NewRequest(http.MethodGet, test.path, http.NoBody)
		if test.token != "" {
			r.Header.Set("Authorization", "Bearer "+test.token)
		}
		w := httptest.NewRecorder()
		service.ServeHTTP(w, r)
		if w.Code != test.status || !strings.Contains(w.Body.String(), test.says) {
			t.Errorf("%s with %q: %d %s", test.path, test.token, w.Code, w.Body)
		}
	}
	if n := len(fake.Asked()); n != 3 {
		t.Errorf("the daemon was asked %d times, want 3", n)
	}
}
