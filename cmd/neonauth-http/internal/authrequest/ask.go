package authrequest

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/cmd/neonauth-http/internal/presence"
	"github.com/neonauthd/neonauthd/internal/pause"
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
	daemon *presence.Daemon
	now    func() time.Time
	older  atomic.Int64 // until when the daemon is taken for one that knows no visitors, Unix nanoseconds
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
			a.daemon.Answered()
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
			a.daemon.Doubt()
			return answer
		}
		if !a.now().Before(end) {
			return answer
		}
	}
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
	if _, nothing := answer.(client.Unknown); !nothing { // which says nothing about the daemon's age, such as a timeout
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
	return a.daemon.Missed() < restartWait && pause.For(ctx, retryPause)
}
