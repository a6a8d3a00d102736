package keyring

import (
	"context"
	"crypto/sha256"
	"time"

	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/protocol"
)

// Open calls open to judge, with the current keys, something that the upstream has signed.
// If a newer key set might change the outcome, Open has one fetched, by the rules of Seek
// and within the same cooldown, and calls open again. If the outcome is unknown, Open also
// returns when asking again may help. who is the caller.
func (r *Ring) Open(ctx context.Context, who fair.ID, policy *keyset.Policy, signed []byte, open func(*keyset.Set, time.Time) protocol.Outcome) (protocol.Outcome, time.Duration) {
	began, search := r.config().Now(), Search{Who: who}
	// The loop is bounded. Each further round follows a change of the key set.
	for range 4 {
		now := r.config().Now()
		current, usable := r.Current(now)
		if !usable || policy == nil {
			return protocol.Unknown(protocol.CodeKeysPending), time.Second
		}
		outcome := open(current.set, now)
		kid, doubtful := policy.Doubt(current.set, signed, outcome)
		if !doubtful || kid == "" || outcome.Reason() != protocol.ReasonUnknownKey && r.Confirmed(current, began, now) {
			return outcome, 0
		}
		if outcome.Reason() != protocol.ReasonUnknownKey {
			kid = TokenID(kid, sha256.Sum256(signed))
		}
		switch f, wait := r.Seek(ctx, &search, kid, current); f {
		case Absent:
			return outcome, 0
		case Pending:
			return protocol.Unknown(protocol.CodeKeysPending), max(time.Second, wait)
		case Changed: // another round
		}
	}
	return protocol.Unknown(protocol.CodeKeysPending), time.Second
}
