package serve

import (
	"encoding/hex"
	"strconv"
	"time"

	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/daemon/resolve"
	"github.com/neonauthd/neonauthd/protocol"
)

// logLookup logs a lookup and its answer at level debug: who asked what of which
// project, and what came of it. Nothing of the token is in it but the beginning of
// its digest, as in EXPLAIN, and nothing of the user.
func (o *outbox) logLookup(q *question, v *resolve.Verdict) {
	if o.log == nil || o.counters.isOwn(&q.Lookup) {
		return
	}
	verb := protocol.VERIFY
	if q.Level == resolve.LevelProfile {
		verb = protocol.PROFILE
	}
	attrs := []any{"uid", userOf(o.who), "verb", string(verb), "project", q.Project.Name(), "outcome", outcomeWord(v.Status())}
	if v.Status() == protocol.OK {
		attrs = append(attrs, "level", v.Level.String(), "source", v.Source.String())
	} else {
		attrs = append(attrs, "reason", v.Outcome.Word())
	}
	attrs = append(attrs, "duration", time.Since(q.asked).Round(time.Microsecond))
	if digest := q.Digest(); digest != [len(digest)]byte{} { // what is malformed has none
		attrs = append(attrs, "digest", hex.EncodeToString(digest[:6]))
	}
	o.log.Debug("lookup", attrs...)
}

// outcomeWord is the word for an outcome that EXPLAIN has for it too.
func outcomeWord(s protocol.Status) string {
	switch s {
	case protocol.OK:
		return "accepted"
	case protocol.NO:
		return "rejected"
	case protocol.ERR:
	}
	return "unknown"
}

// userOf is the user of a caller in digits, or "" where users cannot be told apart.
func userOf(by fair.ID) string {
	if by.PID != 0 {
		return ""
	}
	return strconv.FormatUint(uint64(by.UID), 10)
}
