package resolve

import (
	"context"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// The first and the longest pause between questions to an upstream that got no answer.
const (
	firstRetry   = 5 * time.Second
	longestRetry = time.Minute
)

// retry calls ask until ask returns true or ctx ends. The pauses between the calls grow.
func retry(ctx context.Context, ask func() (done bool)) {
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval, pauses.MaxInterval = firstRetry, longestRetry
	for !ask() {
		if !pause(ctx, pauses.NextBackOff()) {
			return
		}
	}
}

// pause waits for d. It returns false if ctx ends before.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
