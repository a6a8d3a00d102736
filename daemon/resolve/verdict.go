package resolve

import (
	"context"
	"errors"
	"time"

	"github.com/neonauthd/neonauthd/cache"
	"github.com/neonauthd/neonauthd/daemon/keyring"
	"github.com/neonauthd/neonauthd/daemon/resolve/wording"
	"github.com/neonauthd/neonauthd/protocol"
)

// sourceOf returns the source of a verdict that rests on the key set: otherwise if the set
// is fresh, else stale.
func sourceOf(set *keyring.Snapshot, otherwise Source, now time.Time) Source {
	if set.Fresh(now) {
		return otherwise
	}
	return SourceStale
}

// Verdict is the result of a lookup. The zero value is unknown.
type Verdict struct {
	protocol.Outcome
	Level      Level
	Source     Source
	Cause      wording.Cause // what is behind the code; unknown only
	Abandoned  bool          // the caller left, so nobody gets the verdict; unknown only
	Age        time.Duration // of the evidence; accepted only
	TTL        time.Duration // how long the caller may reuse it; accepted only
	RetryAfter time.Duration // when asking again may help; unknown only, 0 = not known
	Heard      time.Duration // how long ago the fleet was heard; accepted only, 0 = not told
	Body       []byte        // one line of JSON: claims or profile; accepted only

	entry   *entry   // accepted only
	profile *profile // accepted at level profile only
}

func rejected(proof protocol.Reason) Verdict { return Verdict{Outcome: protocol.Rejected(proof)} }

func unknown(why protocol.Code, retryAfter time.Duration) Verdict {
	return Verdict{Outcome: protocol.Unknown(why), RetryAfter: retryAfter}
}

// Fields returns the fields of an accepted reply that never change, in wire form: project,
// sub and principal. It is nil unless the verdict is accepted.
func (v *Verdict) Fields() []byte {
	if v.entry == nil {
		return nil
	}
	return v.entry.head
}

// Subject returns the id of the token's user; "" unless accepted.
func (v *Verdict) Subject() string { return v.entry.user().ID }

// Expires returns when the token of an accepted verdict ends, in Unix seconds; 0 unless
// accepted.
func (v *Verdict) Expires() int64 {
	if v.entry == nil {
		return 0
	}
	if p := v.profile; p != nil && p.ends != 0 {
		return min(p.ends, v.entry.expires)
	}
	return v.entry.expires
}

// Unheard returns the verdict that replaces an accepted one on a host that has not heard
// its fleet for too long.
func Unheard() Verdict { return unavailable(wording.NotHeard, time.Second) }

// untimely returns the verdict while the clock was never set; see Config.ClockFloor.
func untimely() Verdict { return unavailable(wording.ClockUnset, 0) }

// unavailable returns the verdict of a lookup that has no answer for this cause.
func unavailable(cause wording.Cause, retryAfter time.Duration) Verdict {
	v := unknown(protocol.CodeUnavailable, retryAfter)
	v.Cause = cause
	return v
}

// Busy returns the verdict for a lookup for which there is no room now.
func Busy() Verdict { return unknown(protocol.CodeBusy, time.Second) }

// unfinished returns the verdict for a flight that ended with an error.
func unfinished(err error) Verdict {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return unknown(protocol.CodeDeadline, time.Second)
	case errors.Is(err, context.Canceled):
		v := unknown(protocol.CodeDeadline, time.Second)
		v.Abandoned = true
		return v
	case errors.Is(err, cache.ErrBusy):
		return Busy()
	default: // the resolver is closed, or a panic, which is logged
		return unknown(protocol.CodeUnavailable, time.Second)
	}
}
