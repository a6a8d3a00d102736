package client

import (
	"encoding/base64"
	"encoding/binary"
	"hash/maphash"
	"strconv"
	"strings"
	"time"

	"github.com/neonauthd/neonauthd/protocol"
)

// question is one request before it has a tag.
type question struct {
	verb   protocol.Verb
	wishes wishes
	token  string           // of a lookup
	seed   maphash.Seed     // of the labels of those who are asked for
	keep   bool             // the answer is to be kept
	fields *protocol.Fields // before args; nil: none
	args   []string         // of any other verb, each fit for the line
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
	for i := 0; q.fields != nil && i < q.fields.Len(); i++ {
		name, value := q.fields.At(i)
		dst = append(append(append(append(dst, ' '), name...), '='), value...)
	}
	for _, a := range q.args {
		dst = append(dst, ' ')
		dst = append(dst, a...)
	}
	return append(dst, '\n')
}

func (q *question) appendWishes(dst []byte, left time.Duration) []byte {
	w := &q.wishes
	if w.maxAge >= 0 {
		dst = protocol.AppendInt(dst, protocol.FieldMaxAge, int64(w.maxAge/time.Second))
	}
	dst = protocol.AppendInt(dst, protocol.FieldDeadline, daemonShare(left))
	if w.fallback {
		dst = protocol.AppendField(dst, protocol.FieldFallback, protocol.LevelClaims)
	}
	if w.heard >= 0 {
		dst = protocol.AppendInt(dst, protocol.FieldHeard, int64(w.heard/time.Second))
	}
	if w.asker != "" {
		dst = protocol.AppendField(dst, protocol.FieldFor, label(q.seed, w.asker))
	}
	if q.keep {
		dst = protocol.AppendInt(dst, protocol.FieldKeep, 1)
	}
	return dst
}

// label is what the daemon is told of whoever is asked for: it tells one from
// another, and nothing about any.
func label(seed maphash.Seed, asker string) string {
	var sum [8]byte
	binary.LittleEndian.PutUint64(sum[:], maphash.String(seed, asker))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// daemonShare is the part of the time left, in milliseconds, that the daemon
// is given: the rest is for the way back.
func daemonShare(left time.Duration) int64 {
	const most = 50 * time.Millisecond
	left -= min(left/10, most)
	return min(max(left.Milliseconds(), 1), protocol.MaxDeadline)
}

// Option changes one lookup. Its zero value changes nothing.
type Option struct {
	kind optionKind
	text string
	span time.Duration
}

type optionKind uint8

const (
	optNothing optionKind = iota
	optProject
	optMaxAge
	optHeard
	optDeadline
	optFallbackClaims
	optOnBehalfOf
)

// WithProject asks about a token of the named project instead of
// Client.Project.
func WithProject(name string) Option { return Option{kind: optProject, text: name} }

// MaxAge asks for a profile that was had from the upstream at most age ago.
// Zero forces a live check. It is counted in whole seconds, rounded down, so
// the answer is never older than asked for; more than a day is a day, the
// most the protocol takes. Verify ignores it.
func MaxAge(age time.Duration) Option {
	return Option{kind: optMaxAge, span: min(max(age, 0), protocol.MaxMaxAge*time.Second)}
}

// Heard takes an accepted answer only from a daemon that has heard its fleet
// within that time, so that no revocation on another host older than that is
// missed; else the answer is Unknown. It is counted in whole seconds, rounded
// down; less than one, which no daemon can promise, is Unknown, and more than a
// day is a day. The daemon is asked each time: nothing kept is used. One
// without a fleet has nobody to hear. Daemons before this option answer Unknown
// with the code bad-request.
func Heard(within time.Duration) Option {
	return Option{kind: optHeard, span: min(max(within, 0), protocol.MaxHeard*time.Second)}
}

// Deadline replaces Client.Timeout for this lookup: the answer is there after
// at most d, be it what the daemon knows by then. A context that ends earlier
// wins. Zero or less changes nothing.
//
// The daemon is told, with every lookup, to answer a little before the time
// is over (a tenth of it, at most 50 ms), so that it can still say what it
// knows instead of being cut off.
func Deadline(d time.Duration) Option { return Option{kind: optDeadline, span: d} }

// FallbackClaims makes Profile return Accepted at LevelClaims, instead of
// Unknown, when the token is good but the profile cannot be had in time.
// Verify ignores it.
func FallbackClaims() Option { return Option{kind: optFallbackClaims} }

// OnBehalfOf tells for whom of its own the program asks, a visitor's address for
// example, so that one of them cannot use up the share of the daemon that all
// have. The text is not sent and need not be secret: the daemon gets a number
// that is made of it, another one in each process. It changes no answer. Empty
// changes nothing.
//
// A program that asks for one user after the other, such as a web server, wants
// it; one that asks for itself does not. Daemons before this option answer
// Unknown with the code bad-request.
func OnBehalfOf(asker string) Option { return Option{kind: optOnBehalfOf, text: asker} }

// wishes is what the options of one lookup add up to; the last of a kind wins.
type wishes struct {
	project  string
	maxAge   time.Duration // negative: not asked for
	heard    time.Duration // the same
	deadline time.Duration // 0: the client's own
	fallback bool
	asker    string // for whom; "": for the program itself
}

func wishesOf(project string, opts []Option) wishes {
	w := wishes{project: project, maxAge: -1, heard: -1}
	for _, o := range opts {
		switch o.kind {
		case optNothing:
		case optProject:
			w.project = o.text
		case optMaxAge:
			w.maxAge = o.span
		case optHeard:
			w.heard = o.span
		case optDeadline:
			w.deadline = o.span
		case optFallbackClaims:
			w.fallback = true
		case optOnBehalfOf:
			w.asker = o.text
		}
	}
	return w
}

// Of what tokens are made (protocol.md, "Rules for clients"). What PROFILE takes
// beside them are the session credentials of preset neon, which end in padded
// base64 and may be percent-encoded, as they stand in their cookie.
const (
	ofToken   = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
	ofSession = ofToken + "+/=%"
)

// askable tells whether the token can be one at all. One that cannot is
// malformed beyond doubt, and sending it could only do harm: a line feed in it
// would be a second request, "x project=other" a second argument, and
// "project=other" a field of the request.
func askable(verb protocol.Verb, token string) bool {
	letters := ofToken
	if verb == protocol.PROFILE {
		letters = ofSession
	}
	return token != "" && len(token) <= protocol.MaxToken && strings.TrimLeft(token, letters) == "" && protocol.ValidWord([]byte(token))
}
