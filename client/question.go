package client

import (
	"strconv"
	"time"

	"github.com/neonauthd/neonauthd/protocol"
)

// question is one request before it has a tag.
type question struct {
	verb   protocol.Verb
	wishes wishes
	token  string   // of a lookup
	args   []string // of any other verb, each fit for the line
}

// append writes the request line for the given tag; left is the time until
// the caller must have its answer.
func (q *question) append(dst []byte, tag uint64, left time.Duration) []byte {
	dst = append(dst, '@')
	dst = strconv.AppendUint(dst, tag, 10)
	dst = append(dst, ' ')
	dst = append(dst, q.verb...)
	if q.wishes.project != "" {
		dst = protocol.AppendField(dst, protocol.FieldProject, q.wishes.project)
	}
	if q.token != "" {
		dst = q.appendWishes(dst, left)
		dst = append(dst, ' ')
		dst = append(dst, q.token...)
	}
	for _, a := range q.args {
		dst = append(dst, ' ')
		dst = append(dst, a...)
	}
	return append(dst, '\n')
}

func (q *question) appendWishes(dst []byte, left time.Duration) []byte {
	w := &q.wishes
	profile := q.verb == protocol.PROFILE
	if profile && w.maxAge >= 0 {
		dst = protocol.AppendInt(dst, protocol.FieldMaxAge, int64(w.maxAge/time.Second))
	}
	dst = protocol.AppendInt(dst, protocol.FieldDeadline, daemonShare(left))
	if profile && w.fallback {
		dst = protocol.AppendField(dst, protocol.FieldFallback, protocol.LevelClaims)
	}
	return dst
}

// daemonShare is the part of the time left, in milliseconds, that the daemon
// is given: the rest is for the way back.
func daemonShare(left time.Duration) int64 {
	const most = 50 * time.Millisecond
	left -= min(left/10, most)
	return min(max(left.Milliseconds(), 1), protocol.MaxDeadline)
}

// tagOf splits the tag off a reply line: "@17 OK" is tag 17. Only tags as
// append writes them count.
func tagOf(line []byte) (tag uint64, ok bool) {
	if len(line) < 3 || line[0] != '@' || line[1] == '0' {
		return 0, false
	}
	const most = 19 // digits that cannot overflow
	for i := 1; i < len(line) && i <= most+1; i++ {
		c := line[i]
		if c == ' ' {
			return tag, i > 1
		}
		if c < '0' || c > '9' {
			return 0, false
		}
		tag = tag*10 + uint64(c-'0')
	}
	return 0, false
}
