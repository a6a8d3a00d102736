// Package backchannel sends logout tokens as Better Auth's OAuth provider does: one
// attempt, five seconds, no redirect is followed, and 200 and 204 alone are a success.
package backchannel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// Timeout is how long the sender waits for an answer. The request that signs out waits as
// long.
const Timeout = 5 * time.Second

// Bounds of the tokens sent at once, and of the bytes read of an answer.
const (
	atOnce    = 16
	maxAnswer = 64 << 10
)

// Send sends each token to the address once, and returns when all are answered or
// given up. Failures are returned as the error; nothing is sent again.
func Send(ctx context.Context, address string, tokens ...string) error {
	client := &http.Client{
		Timeout:       Timeout,
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	failed := make([]error, len(tokens))
	next := 0
	for some := range slices.Chunk(tokens, atOnce) {
		var all sync.WaitGroup
		for _, token := range some {
			to := &failed[next]
			next++
			all.Go(func() { *to = send(ctx, client, address, token) })
		}
		all.Wait()
	}
	return errors.Join(failed...)
}

func send(ctx context.Context, client *http.Client, address, token string) error {
	body := url.Values{"logout_token": {token}}.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "node")
	answer, err := client.Do(r)
	if err != nil {
		return err
	}
	_, _ = io.CopyN(io.Discard, answer.Body, maxAnswer)
	if err := answer.Body.Close(); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK && answer.StatusCode != http.StatusNoContent {
		return fmt.Errorf("the receiver of logout tokens answers %d", answer.StatusCode)
	}
	return nil
}
