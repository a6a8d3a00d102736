package authrequest

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/protocol"
)

// retryPause is the time between two attempts to reach a daemon that restarts.
const retryPause = 20 * time.Millisecond

// asker asks the daemon, and bridges its restart: a lookup that finds nobody
// at the socket is asked again for a while. When the daemon has been away for
// longer than that, lookups fail at once, or all web servers would soon wait.
type asker struct {
	client *client.Client
	now    func() time.Time
	gone   atomic.Int64             // since when nobody answers, Unix nanoseconds; 0: it answers
	older  atomic.Int64             // until when the daemon is one that knows no visitors, Unix nanoseconds
	told   atomic.Bool              // that it is gone stands in the log
	back   func(away time.Duration) // tells that it answers again, after told
}

// question is a token and the visitor that presented it; "": nobody knows.
type question struct{ token, visitor string }

// olderFor is how long a daemon is taken for an older one that knows no visitors.
const olderFor = time.Minute

// ask puts one question, and has an answer after limit at most. patience is how
// long a restart may take.
func (a *asker) ask(ctx context.Context, want *requirement, q question, limit, patience time.Duration) client.Answer {
	end := a.now().Add(limit)
	left, broken := limit, false
	for {
		answer := a.once(ctx, want, q, left)
		u, ok := answer.(client.Unknown)
		if !ok || u.Code != "" {
			if a.gone.Load() != 0 {
				a.answered()
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

// reachable is 0 while nobody answers at the socket, as far as anybody asked.
func (a *asker) reachable() float64 {
	if a.gone.Load() != 0 {
		return 0
	}
	return 1
}

// answered notes that the daemon is there.
func (a *asker) answered() {
	if since := a.gone.Swap(0); since != 0 && a.told.Swap(false) {
		a.back(time.Duration(a.now().UnixNano() - since))
	}
}

// once asks once or, where an older daemon does not know visitors, once more
// without.
func (a *asker) once(ctx context.Context, want *requirement, q question, limit time.Duration) client.Answer {
	began := a.now()
	if q.visitor == "" || began.UnixNano() < a.older.Load() {
		return a.put(ctx, want, q.token, client.Deadline(limit))
	}
	answer := a.put(ctx, want, q.token, client.Deadline(limit), client.OnBehalfOf(q.visitor))
	if !refusesWords(answer) {
		return answer
	}
	answer = a.put(ctx, want, q.token, client.Deadline(max(limit-a.now().Sub(began), time.Millisecond)))
	if !refusesWords(answer) {
		a.older.Store(a.now().Add(olderFor).UnixNano())
	}
	return answer
}

// refusesWords reports whether the daemon did not understand the question.
func refusesWords(answer client.Answer) bool {
	u, ok := answer.(client.Unknown)
	return ok && u.Code == protocol.CodeBadRequest
}

func (a *asker) put(ctx context.Context, want *requirement, token string, opts ...client.Option) client.Answer {
	opts = append(opts, want.options()...)
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
