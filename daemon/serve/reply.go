package serve

import (
	"strings"
	"time"

	"github.com/neonauthd/neonauthd/daemon/resolve"
	"github.com/neonauthd/neonauthd/protocol"
)

// appendVerdict appends the reply line for v. It is the only place where a verdict
// becomes a reply. A verdict that is accepted without evidence is a fault of this
// program and proves nothing, so it is answered as unknown. kept has the fields of
// an answer that may be kept.
func appendVerdict(dst, tag []byte, v *resolve.Verdict, kept []byte) []byte {
	is := v.Outcome
	if is.Status() == protocol.OK {
		if v.Fields() != nil {
			return append(protocol.AppendRest(appendAccepted(dst, tag, v, kept), v.Body), '\n')
		}
		is = protocol.Outcome{}
	}
	dst = protocol.AppendStatus(dst, tag, is.Status(), is.Word())
	if is.Status() == protocol.ERR && v.RetryAfter > 0 {
		dst = protocol.AppendInt(dst, protocol.FieldRetryAfter, ceilSeconds(v.RetryAfter))
	}
	if is.Status() == protocol.ERR {
		dst = protocol.AppendText(dst, v.Cause.Text())
	}
	return append(dst, '\n')
}

// appendAccepted appends the line of an accepted verdict, without its body.
func appendAccepted(dst, tag []byte, v *resolve.Verdict, kept []byte) []byte {
	dst = protocol.AppendStatus(dst, tag, protocol.OK, "")
	dst = protocol.AppendField(dst, protocol.FieldLevel, v.Level.String())
	dst = append(dst, v.Fields()...)
	dst = protocol.AppendInt(dst, protocol.FieldAge, int64(max(0, v.Age)/time.Second))
	dst = protocol.AppendInt(dst, protocol.FieldTTL, int64(max(0, v.TTL)/time.Second))
	dst = protocol.AppendInt(dst, protocol.FieldExpires, min(v.Expires(), protocol.MaxExpires))
	dst = protocol.AppendField(dst, protocol.FieldSource, v.Source.String())
	if v.Heard > 0 {
		dst = protocol.AppendInt(dst, protocol.FieldHeard, ceilSeconds(v.Heard))
	}
	return append(dst, kept...)
}

// appendRefusal appends the reply to a refused request.
func appendRefusal(dst, tag []byte, r *Refusal) []byte {
	dst = protocol.AppendStatus(dst, tag, protocol.ERR, string(r.Code))
	if r.RetryAfter > 0 {
		dst = protocol.AppendInt(dst, protocol.FieldRetryAfter, ceilSeconds(r.RetryAfter))
	}
	advice := strings.ReplaceAll(r.Advice, "\n", "; ") // errors.Join puts each error on a line of its own
	return append(protocol.AppendText(dst, advice), '\n')
}

// ceilSeconds rounds up, so that a caller that waits this long does not ask too
// early.
func ceilSeconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }
