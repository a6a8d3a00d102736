package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/neonauthd/neonauthd/protocol"
)

// lookup answers a question about a token from memory, or else asks the daemon.
func (c *Client) lookup(ctx context.Context, verb protocol.Verb, token string, opts []Option) Answer {
	if token == "" || len(token) > protocol.MaxToken {
		return Rejected{Reason: protocol.ReasonMalformed}
	}
	c.init()
	q := question{verb: verb, token: token, wishes: wishesOf(verb, c.Project, opts), seed: c.seed}
	if q.wishes[optProject] == WithProject("") {
		return Unknown{Err: errNoProject}
	}
	if c.keeper == nil || !c.keeper.memory.up.Load() || ctx.Err() != nil { // nothing is kept, or the caller has given up
		answer, _ := c.askAbout(ctx, &q)
		if a, ok := answer.(Accepted); ok && c.keeper != nil && a.TTL > 0 {
			c.keeper.openWatch()
		}
		return answer
	}
	of, maxAge := keyOf(&q), q.wishes.maxAge()
	if q.wishes.heard() >= 0 {
		maxAge = 0 // no kept answer says that the fleet is heard now
	}
	answer, aging := c.keeper.recall(&of, maxAge)
	if aging != nil {
		of, q := of, q // copies for the background, so that of and q of other lookups stay off the heap
		c.keeper.refresh(aging, func(ctx context.Context) { c.learn(ctx, of, q) })
	}
	if answer == nil {
		answer = c.learn(ctx, of, q)
	}
	return answer
}

// learn asks the daemon, and keeps the answer if it may be kept.
func (c *Client) learn(ctx context.Context, of key, q question) Answer {
	q.keep = true
	sent := c.keeper.clock()
	answer, g := c.askAbout(ctx, &q)
	if isBadRequest(answer) { // perhaps an older daemon, which does not know keep=1
		q.keep = false
		answer, g = c.askAbout(ctx, &q)
		if _, ok := answer.(Unknown); !ok { // which says nothing about the daemon's age, such as a timeout
			c.keeper.refused()
		}
	}
	c.keeper.learn(of, answer, g, sent)
	return answer
}

func isBadRequest(a Answer) bool {
	u, ok := a.(Unknown)
	return ok && u.Code == protocol.CodeBadRequest
}

// askAbout asks the daemon about a token.
func (c *Client) askAbout(ctx context.Context, q *question) (Answer, grant) {
	if !protocol.IsToken(q.verb, q.token) {
		return Rejected{Reason: protocol.ReasonMalformed}, grant{}
	}
	line, err := c.ask(ctx, q)
	if err != nil {
		return unknown(err), grant{}
	}
	return answerTo(q, line)
}

// ask returns the reply line to a question, without its tag. Its errors are
// ready to be returned to callers. A question that is asked again must be
// answered in the time of the first call.
func (c *Client) ask(ctx context.Context, q *question) ([]byte, error) {
	c.init()
	if q.begun.IsZero() {
		q.begun = time.Now()
	}
	end := q.begun.Add(cmp.Or(max(q.wishes[optDeadline].span, 0), max(c.Timeout, 0), DefaultTimeout))
	if earlier, ok := ctx.Deadline(); ok && earlier.Before(end) {
		end = earlier
	}
	line, err := c.pool.ask(ctx, end, q)
	switch {
	case errors.Is(err, context.Canceled):
		return nil, fmt.Errorf("neonauthd: given up by the caller: %w", context.Canceled)
	case errors.Is(err, context.DeadlineExceeded):
		return nil, fmt.Errorf("neonauthd: no answer within %s: %w", time.Since(q.begun).Round(time.Millisecond), context.DeadlineExceeded)
	}
	return line, err
}
