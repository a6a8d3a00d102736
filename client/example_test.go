package client_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/neonauthd/neonauthd/client"
)

// The three outcomes, and what to do on each.
func ExampleClient_Verify() {
	c := &client.Client{}
	defer c.Close()

	token := "eyJhbGciOi..." // from the request
	switch a := c.Verify(context.Background(), token).(type) {
	case client.Accepted:
		fmt.Println("200, for user", a.Subject)
	case client.Rejected:
		fmt.Println("401:", a.Reason)
	case client.Unknown:
		log.Print(a.Err)
		fmt.Println("503, try again in", max(a.RetryAfter, time.Second))
	}
}

// A profile, or the claims when the upstream is too slow for this page.
func ExampleClient_Profile() {
	c := &client.Client{Project: "shop"}
	defer c.Close()

	answer := c.Profile(context.Background(), "eyJhbGciOi...",
		client.MaxAge(5*time.Minute), client.Deadline(200*time.Millisecond), client.FallbackClaims())
	if a, ok := answer.(client.Accepted); ok && a.Level == client.LevelProfile {
		var user struct {
			Name string `json:"display_name"`
		}
		if err := json.Unmarshal(a.JSON, &user); err == nil {
			fmt.Println("Hello", user.Name)
		}
	}
}

// A readiness check: the daemon is there.
func ExampleClient_Ping() {
	c := &client.Client{Timeout: 100 * time.Millisecond}
	http.HandleFunc("/ready", func(w http.ResponseWriter, r *http.Request) {
		if err := c.Ping(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	})
}
