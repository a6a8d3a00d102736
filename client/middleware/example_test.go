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
		user, _ := middleware.From(r.Context())
		fmt.Fprintf(w, "Hello %s\n", user.Subject)
	})
	http.Handle("/account", guard.Wrap(account))
}
