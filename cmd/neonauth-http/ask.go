package main

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/neonauthd/neonauthd/client"
)

// retryPause is the time between two attempts to reach a daemon that restarts.
const retryPause = 20 * time.Millisecond

// asker asks the daemon, and bridges its restart: a lookup that finds nobody
// at the socket is asked again for a while. When the daemon has been away for
// longer than that, lookups fail at once, or all web servers would soon wait.
type asker struct {
	client *client.Client
	now    func() time.Time
	gone   atomic.Int64 // since when nobody answers, Unix nanoseconds; 0: it answers
}

// ask puts one question, and has an answer after limit at most. patience is how
// long a restart may take.
func (a *asker) ask(ctx context.Context, want *requirement, token string, limit, patience time.Duration) client.Answer {
	end := a.now().Add(limit)
	left, broken := limit, false
	for {
		answer := a.once(ctx, want, token, left)
		u, ok := answer.(client.Unknown)
		if !ok || u.Code != "" {
			if a.gone.Load() != 0 {
				a.gone.Store(0) // it has answered
			}
			return answer
		}
		switch {
		case errors.Is(u.Err, client.ErrUnreachable) && a.wait(ctx, patience):
		case errors.Is(u.Err, client.ErrBroken) && !broken && a.wait(ctx, patience):
			// It went away while it had the question. Once: a daemon that
			// dies of a question must not be fed it for ever. Not at once: one
			// that is dying may still take connections for a moment.
			broken = true
		default:
			return answer
		}
		if left = end.Sub(a.now()); left <= 0 {
			return answer
		}
	}
}

func (a *asker) once(ctx context.Context, want *requirement, token string, limit time.Duration) client.Answer {
	opts := append(want.options(), client.Deadline(limit))
	if want.level == client.LevelProfile {
		return a.client.Profile(ctx, token, opts...)
	}
	return a.client.Verify(ctx, token, opts...)
}

// wait pauses before the next attempt, and tells whether there is to be one.
func (a *asker) wait(ctx context.Context, patience time.Duration) bool {
	now := a.now().UnixNano()
	a.gone.CompareAndSwap(0, now)
	if since := a.gone.Load(); since != 0 && now-since >= int64(patience) {
		return false
	}
	timer := time.NewTimer(retryPause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
