package authrequest

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/protocol"
)

// retryPause is the time between two attempts to reach a daemon that is
// restarting.
const retryPause = 20 * time.Millisecond

// asker asks the daemon, also across its restart: while nobody listens on the
// socket, a lookup is tried again for a while. If the daemon has been away for
// longer than that, lookups fail at once, so that web servers do not have to
// wait.
type asker struct {
	client *client.Client
	now    func() time.Time
	gone   atomic.Int64             // since when the daemon is not reachable, Unix nanoseconds; 0: it is reachable
	older  atomic.Int64             // until when the daemon is taken for one that knows no visitors, Unix nanoseconds
	told   atomic.Bool              // the log says that the daemon is not reachable
	back   func(away time.Duration) // logs that the daemon is reachable again, after told
}

// question is a token and the visitor that presented it; "": the visitor is not
// known.
type question struct{ token, visitor string }

// olderFor is how long a daemon is taken for an older one, after it did not
// know visitors.
const olderFor = time.Minute

// ask asks one question and returns an answer at end, or soon after. restartWait is
// how long a restart may take.
func (a *asker) ask(ctx context.Context, want *requirement, q question, end time.Time, restartWait time.Duration) client.Answer {
	broken := false
	for {
		answer := a.once(ctx, want, q, end)
		u, ok := answer.(client.Unknown)
		if !ok || u.Code != "" {
			if a.gone.Load() != 0 {
				a.answered()
			}
			return answer
		}
		switch {
		case errors.Is(u.Err, client.ErrUnreachable) && a.wait(ctx, restartWait):
		case errors.Is(u.Err, client.ErrBroken) && !broken && a.wait(ctx, restartWait):
			// The daemon ended while it had the question. Ask only once more: a
			// request on which a daemon dies must not be sent for ever. Do not
			// ask at once: a daemon that is ending may still accept connections
			// for a moment.
			broken = true
		default:
			return answer
		}
		if !a.now().Before(end) {
			return answer
		}
	}
}

// reachable returns 0 if the last lookup could not reach the daemon, else 1.
func (a *asker) reachable() float64 {
	if a.gone.Load() != 0 {
		return 0
	}
	return 1
}

// answered notes that the daemon is reachable.
func (a *asker) answered() {
	if since := a.gone.Swap(0); since != 0 && a.told.Swap(false) {
		a.back(time.Duration(a.now().UnixNano() - since))
	}
}

// missed notes that the daemon is not reachable, and returns for how long it has
// not been.
func (a *asker) missed() time.Duration {
	now := a.now().UnixNano()
	a.gone.CompareAndSwap(0, now)
	since := a.gone.Load()
	if since == 0 { // another lookup was answered meanwhile
		return 0
	}
	return time.Duration(now - since)
}

// once asks once. If an older daemon does not know visitors, it asks again
// without the visitor.
func (a *asker) once(ctx context.Context, want *requirement, q question, end time.Time) client.Answer {
	left := func() time.Duration { return max(end.Sub(a.now()), time.Millisecond) }
	if older := a.older.Load(); q.visitor == "" || older != 0 && a.now().UnixNano() < older {
		return a.put(ctx, want, q.token, client.Deadline(left()))
	}
	answer := a.put(ctx, want, q.token, client.Deadline(left()), client.OnBehalfOf(q.visitor))
	if !refusesWords(answer) {
		return answer
	}
	answer = a.put(ctx, want, q.token, client.Deadline(left()))
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

// wait pauses before the next attempt, and reports whether there is one.
func (a *asker) wait(ctx context.Context, restartWait time.Duration) bool {
	if away := a.missed(); away >= restartWait {
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
