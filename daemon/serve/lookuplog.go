package serve

import (
	"context"
	"encoding/hex"
	"log/slog"
	"slices"
	"time"

	"github.com/neonauthd/neonauthd/daemon/resolve"
	"github.com/neonauthd/neonauthd/internal/accesslog"
	"github.com/neonauthd/neonauthd/protocol"
)

// logsLookups reports whether lookups are logged: in the access log, or in the log at level
// debug.
func (s *Server) logsLookups(ctx context.Context) bool {
	return s.accessLog != nil || s.log.Enabled(ctx, slog.LevelDebug)
}

// logAnswer logs a lookup and its answer.
func (o *outbox) logAnswer(q *question, v *resolve.Verdict) {
	if o.counters.isOwn(&q.Lookup) {
		return
	}
	took := time.Since(q.asked)
	if o.log.Enabled(context.Background(), slog.LevelDebug) {
		o.logLookup(q, v, took)
	}
	if o.accessLog == nil {
		return
	}
	line := accesslog.Line{
		Time: q.asked, Caller: o.from, Verb: q.verb(), Project: q.Project.Name(), Outcome: v.Status().Name(), Duration: accesslog.Seconds(took),
	}
	if v.Status() == protocol.OK {
		line.Level, line.Source, line.Subject = v.Level.String(), v.Source.String(), v.Subject()
	} else {
		line.Reason = v.Outcome.Word()
	}
	o.accessLog.Write(line)
}

// verb returns the verb of the request.
func (q *question) verb() string {
	if q.Level == resolve.LevelProfile {
		return string(protocol.PROFILE)
	}
	return string(protocol.VERIFY)
}

// logLookup logs a lookup and its answer at level debug: who asked what of which
// project, and the outcome. Of the token it logs only the beginning of its digest, as
// EXPLAIN shows it. Of the user it logs nothing.
func (o *outbox) logLookup(q *question, v *resolve.Verdict, took time.Duration) {
	attrs := []any{"uid", o.who.User(), "verb", q.verb(), "project", q.Project.Name(), "outcome", v.Status().Name()}
	if v.Status() == protocol.OK {
		attrs = append(attrs, "level", v.Level.String(), "source", v.Source.String())
	} else {
		attrs = append(attrs, "reason", v.Outcome.Word())
		if v.Cause != 0 {
			attrs = append(attrs, "cause", v.Cause.String())
		}
	}
	attrs = append(attrs, "duration", took.Round(time.Microsecond))
	if digest := q.Digest(); digest != [len(digest)]byte{} { // a malformed credential has no digest
		attrs = append(attrs, "digest", hex.EncodeToString(digest[:6]))
	}
	o.log.Debug("lookup", attrs...)
}

// logRefused writes the current request, which is refused, to the access log. It does
// not write a verb that does not exist.
func (c *conn) logRefused(r *Refusal) {
	if c.server.accessLog == nil {
		return
	}
	line := accesslog.Line{Time: time.Now(), Caller: &c.is, Outcome: protocol.ERR.Name(), Reason: string(r.Code)}
	if verb := protocol.Verb(c.req.Verb); slices.Contains(protocol.Verbs(), verb) || slices.Contains(protocol.AdminVerbs(), verb) {
		line.Verb = string(verb)
	}
	if r.about != nil {
		line.Project = r.about.Name()
	}
	c.server.accessLog.Write(line)
}

// logAdministered writes an admin verb that was answered to the access log. Verbs
// that only show the daemon's state are left out.
func (c *conn) logAdministered(verb protocol.Verb, began time.Time, refused *Refusal) {
	switch verb {
	case protocol.STATS, protocol.KEYS, protocol.REVOCATIONS, protocol.FLEET:
		return
	default:
	}
	line := accesslog.Line{Time: began, Caller: &c.is, Verb: string(verb), Outcome: protocol.OK.Name(), Duration: accesslog.Seconds(time.Since(began))}
	if refused != nil {
		line.Outcome, line.Reason = protocol.ERR.Name(), string(refused.Code)
	}
	c.server.accessLog.Write(line)
}

// logLogout writes a logout token's request and its result to the access log.
func (c *conn) logLogout(project string, began time.Time, reply *protocol.Reply, refused *Refusal) {
	line := accesslog.Line{Time: began, Caller: &c.is, Verb: string(protocol.LOGOUT), Project: project, Outcome: reply.Status.Name(), Reason: string(reply.Word), Duration: accesslog.Seconds(time.Since(began))}
	if refused != nil {
		line.Outcome, line.Reason = protocol.ERR.Name(), string(refused.Code)
	}
	c.server.accessLog.Write(line)
}
