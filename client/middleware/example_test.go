package middleware_test

import (
	"fmt"
	"net/http"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/client/middleware"
)

// One route behind the daemon.
func Example() {
	guard := &middleware.Guard{Client: &client.Client{}, Realm: "shop"}
	account := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, ok := middleware.UserFrom(r.Context()); ok { // not for a browser's preflight
			fmt.Fprintf(w, "Hello %s\n", user.ID)
		}
	})
	http.Handle("GET /account", guard.Wrap(account))
}
