// Package pause waits for a while, unless the wait has become pointless, and asks again after
// pauses that grow.
package pause

import (
	"context"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// For waits for d and returns true, or returns false as soon as ctx ends, or if it has ended
// already. A d of zero or less is no wait.
func For(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// Retry calls ask until ask returns true or ctx ends. The pauses between the calls begin with
// first, and grow up to longest. Each is up to half as long or as much longer, so that many
// hosts do not ask at the same time.
func Retry(ctx context.Context, first, longest time.Duration, ask func() (done bool)) {
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval, pauses.MaxInterval = first, longest
	for !ask() {
		if !For(ctx, pauses.NextBackOff()) {
			return
		}
	}
}
