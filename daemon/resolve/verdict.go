package resolve

import (
	"context"
	"errors"
	"time"

	"github.com/neonauthd/neonauthd/cache"
	"github.com/neonauthd/neonauthd/daemon/keyring"
	"github.com/neonauthd/neonauthd/protocol"
)

// sourceOf is where a verdict's evidence comes from that rests on the set:
// otherwise, if that is what the upstream says.
func sourceOf(set *keyring.Snapshot, otherwise Source, now time.Time) Source {
	if set.Fresh(now) {
		return otherwise
	}
	return SourceStale
}

// Verdict is what a lookup comes to: its outcome and what goes with it. The zero
// value is unknown.
type Verdict struct {
	protocol.Outcome
	Level      Level
	Source     Source
	Age        time.Duration // of the evidence; accepted only
	TTL        time.Duration // how long the caller may reuse it; accepted only
	RetryAfter time.Duration // when asking again may help; unknown only, 0 = not known
	Heard      time.Duration // how long ago the fleet was heard, where that is told; accepted only, 0 = not told
	Body       []byte        // one line of JSON: claims or profile; accepted only

	entry   *entry   // accepted only
	profile *profile // accepted at level profile only
}

func rejected(proof protocol.Reason) Verdict { return Verdict{Outcome: protocol.Rejected(proof)} }

func unknown(why protocol.Code, retryAfter time.Duration) Verdict {
	return Verdict{Outcome: protocol.Unknown(why), RetryAfter: retryAfter}
}

// Fields are the fields of an accepted verdict's reply that never change, in wire
// form: project and sub. It is nil if there is no evidence for the verdict.
func (v *Verdict) Fields() []byte {
	if v.entry == nil {
		return nil
	}
	return v.entry.head
}

// Subject is whose token it is: an id, "" unless accepted.
func (v *Verdict) Subject() string {
	if v.entry == nil {
		return ""
	}
	return v.entry.subject
}

// Expires is when an accepted verdict's token ends, in Unix seconds.
func (v *Verdict) Expires() int64 {
	if v.entry == nil {
		return 0
	}
	if p := v.profile; p != nil && p.ends != 0 {
		return min(p.ends, v.entry.expires)
	}
	return v.entry.expires
}

// Unheard is the verdict on a lookup that would be accepted by a host that has not
// heard its fleet for too long.
func Unheard() Verdict { return unknown(protocol.CodeUnavailable, time.Second) }

// Busy is the verdict on a lookup for which there is no room now.
func Busy() Verdict { return unknown(protocol.CodeBusy, time.Second) }

// unfinished is the verdict of a flight that brought none.
func unfinished(err error) Verdict {
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return unknown(protocol.CodeDeadline, time.Second)
	case errors.Is(err, cache.ErrBusy):
		return unknown(protocol.CodeBusy, time.Second)
	default: // stopped, or a panic that has been logged where it happened
		return unknown(protocol.CodeUnavailable, time.Second)
	}
}
