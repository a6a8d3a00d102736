package middleware_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/client/clienttest"
	"github.com/neonauthd/neonauthd/client/middleware"
)

// cors adds CORS headers, as libraries do. It answers preflights itself.
func cors(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "https://app.example")
		if r.Method == http.MethodOptions {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// TestNobodyIsTakenForAUserInAPreflight also tests the order of CORS, mux and guard that the README recommends.
func TestNobodyIsTakenForAUserInAPreflight(t *testing.T) {
	fake := new(clienttest.Fake)
	fake.Accept("good", client.User{ID: "ada"})
	guard := &middleware.Guard{Client: fake}
	account := guard.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, ok := middleware.UserFrom(r.Context())
		fmt.Fprint(w, user.ID, ok)
	}))
	withMethod, without := http.NewServeMux(), http.NewServeMux()
	withMethod.Handle("GET /account", account)
	without.Handle("/account", account)
	for _, test := range []struct {
		name    string
		handler http.Handler
		method  string
		token   string
		status  int
		body    string
		allowed bool // CORS headers are there
	}{
		{"the user", withMethod, "GET", "good", 200, "adatrue", false},
		{"a preflight to a route of every method", without, "OPTIONS", "", 200, "false", false},
		{"a preflight to a route of one method", withMethod, "OPTIONS", "", 405, "Method Not Allowed\n", false},
		{"a preflight behind CORS around the mux", cors(withMethod), "OPTIONS", "", 204, "", true},
		{"a refusal behind CORS around the mux", cors(withMethod), "GET", "", 401, "Unauthorized\n", true},
		{"the user behind CORS around the mux", cors(withMethod), "GET", "good", 200, "adatrue", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest(test.method, "/account", nil)
			if test.method == http.MethodOptions {
				r.Header.Set("Access-Control-Request-Method", "GET")
			}
			if test.token != "" {
				r.Header.Set("Authorization", "Bearer "+test.token)
			}
			w := httptest.NewRecorder()
			test.handler.ServeHTTP(w, r)
			allowed := w.Header().Get("Access-Control-Allow-Origin") != ""
			if w.Code != test.status || w.Body.String() != test.body || allowed != test.allowed {
				t.Errorf("%d %q, CORS %v; expected %d %q, %v", w.Code, w.Body, allowed, test.status, test.body, test.allowed)
			}
		})
	}
	if u, ok := middleware.UserFrom(t.Context()); ok || u.ID != "" {
		t.Error("there is a user outside a Guard")
	}
}
