package daemon

import (
	"time"

	"github.com/neonauthd/neonauthd/protocol"
)

// wire is a reason's place in the protocol: after NO if the daemon holds proof,
// after ERR if it cannot tell.
type wire struct {
	status protocol.Status
	word   string
}

// wireOf maps every reason to its word. This and appendVerdict are the only
// place where a verdict becomes a reply; what is not listed is "unavailable".
func wireOf(r Reason) wire {
	words := [reasonCount]wire{
		Malformed:         {protocol.NO, string(protocol.ReasonMalformed)},
		BadSignature:      {protocol.NO, string(protocol.ReasonBadSignature)},
		UnknownKey:        {protocol.NO, string(protocol.ReasonUnknownKey)},
		Expired:           {protocol.NO, string(protocol.ReasonExpired)},
		NotYetValid:       {protocol.NO, string(protocol.ReasonNotYetValid)},
		WrongIssuer:       {protocol.NO, string(protocol.ReasonWrongIssuer)},
		WrongAudience:     {protocol.NO, string(protocol.ReasonWrongAudience)},
		WrongAlgorithm:    {protocol.NO, string(protocol.ReasonWrongAlgorithm)},
		MissingClaim:      {protocol.NO, string(protocol.ReasonMissingClaim)},
		SenderConstrained: {protocol.NO, string(protocol.ReasonSenderConstrained)},
		ClassNotAllowed:   {protocol.NO, string(protocol.ReasonClassNotAllowed)},
		UserNotFound:      {protocol.NO, string(protocol.ReasonUserNotFound)},
		Revoked:           {protocol.NO, string(protocol.ReasonRevoked)},
		RejectedUpstream:  {protocol.NO, string(protocol.ReasonRejectedUpstream)},
		Unavailable:       {protocol.ERR, string(protocol.CodeUnavailable)},
		Misconfigured:     {protocol.ERR, string(protocol.CodeMisconfigured)},
		Busy:              {protocol.ERR, string(protocol.CodeBusy)},
		Deadline:          {protocol.ERR, string(protocol.CodeDeadline)},
		NeedsProfile:      {protocol.ERR, string(protocol.CodeNeedsProfile)},
		KeysPending:       {protocol.ERR, string(protocol.CodeKeysPending)},
	}
	if r < reasonCount && words[r].word != "" {
		return words[r]
	}
	return wire{protocol.ERR, string(protocol.CodeUnavailable)}
}

// appendVerdict appends the reply line for v.
func appendVerdict(dst, tag []byte, v *Verdict) []byte {
	if v.Outcome == Accepted && v.entry != nil {
		return append(protocol.AppendRest(appendAccepted(dst, tag, v), v.Body), '\n')
	}
	w := wireOf(v.Reason)
	if v.Outcome != Rejected && w.status == protocol.NO {
		// A reason without its outcome is a fault of ours, and no proof.
		w = wireOf(Unavailable)
	}
	dst = protocol.AppendStatus(dst, tag, w.status, w.word)
	if w.status == protocol.ERR && v.RetryAfter > 0 {
		dst = protocol.AppendInt(dst, protocol.FieldRetryAfter, ceilSeconds(v.RetryAfter))
	}
	return append(dst, '\n')
}

// appendAccepted appends the line of an accepted verdict as far as its body.
func appendAccepted(dst, tag []byte, v *Verdict) []byte {
	dst = protocol.AppendStatus(dst, tag, protocol.OK, "")
	dst = protocol.AppendField(dst, protocol.FieldLevel, v.Level.String())
	dst = append(dst, v.entry.head...)
	dst = protocol.AppendInt(dst, protocol.FieldAge, int64(max(0, v.Age)/time.Second))
	dst = protocol.AppendInt(dst, protocol.FieldTTL, int64(max(0, v.TTL)/time.Second))
	dst = protocol.AppendInt(dst, protocol.FieldExpires, v.entry.expires)
	return protocol.AppendField(dst, protocol.FieldSource, v.Source.String())
}

// appendRefusal appends the reply to a request that is itself wrong.
func appendRefusal(dst, tag []byte, r *refusal) []byte {
	dst = protocol.AppendStatus(dst, tag, protocol.ERR, string(r.code))
	if r.retryAfter > 0 {
		dst = protocol.AppendInt(dst, protocol.FieldRetryAfter, ceilSeconds(r.retryAfter))
	}
	return append(protocol.AppendText(dst, r.advice), '\n')
}

// ceilSeconds rounds up: a caller that waits that long does not come early.
func ceilSeconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }
