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

// TestOfTwoGuardsTheInnerOneSaysWhoIsAsking, even if the inner one says that
// nobody is.
func TestOfTwoGuardsTheInnerOneSaysWhoIsAsking(t *testing.T) {
	outer, inner := new(clienttest.Fake), new(clienttest.Fake)
	outer.Accept("good", client.User{ID: "ada"})
	inner.Accept("admin", client.User{ID: "root"})
	guarded := (&middleware.Guard{Client: outer}).Wrap((&middleware.Guard{Client: inner, Token: middleware.Cookie("admin"), Optional: true}).Wrap(
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			user, ok := middleware.UserFrom(r.Context())
			fmt.Fprint(w, user.ID, ok)
		})))
	for cookie, want := range map[string]string{"": "false", "admin=admin": "roottrue"} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Authorization", "Bearer good")
		if cookie != "" {
			r.Header.Set("Cookie", cookie)
		}
		w := httptest.NewRecorder()
		guarded.ServeHTTP(w, r)
		if w.Code != http.StatusOK || w.Body.String() != want {
			t.Errorf("with the cookie %q: %d %q, want %q", cookie, w.Code, w.Body, want)
		}
	}
}
