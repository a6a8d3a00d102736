package client

import (
	"hash/maphash"
	"strconv"
	"time"

	"github.com/neonauthd/neonauthd/protocol"
)

// question is one request before it has a tag.
type question struct {
	verb   protocol.Verb
	wishes wishes
	token  string       // for a lookup
	seed   maphash.Seed // for the label of OnBehalfOf
	keep   bool         // the answer is to be kept: sends keep=1
	begun  time.Time    // when it was asked first
	words  []byte       // for any other verb: its fields and arguments, a space before each
}

// append appends the request line with the given tag; left is the time until
// the caller must have its answer.
func (q *question) append(dst []byte, tag uint64, left time.Duration) []byte {
	dst = append(dst, '@')
	dst = strconv.AppendUint(dst, tag, 10)
	dst = append(dst, ' ')
	dst = append(dst, q.verb...)
	if project := q.wishes.project(); project != "" {
		dst = protocol.AppendField(dst, protocol.FieldProject, project)
	}
	if q.token != "" {
		dst = q.appendWishes(dst, left)
		dst = append(dst, ' ')
		dst = append(dst, q.token...)
	}
	return append(append(dst, q.words...), '\n')
}

func (q *question) appendWishes(dst []byte, left time.Duration) []byte {
	w := &q.wishes
	if w.maxAge() >= 0 {
		dst = protocol.AppendInt(dst, protocol.FieldMaxAge, int64(w.maxAge()/time.Second))
	}
	dst = protocol.AppendInt(dst, protocol.FieldDeadline, daemonShare(left))
	if w.fallback() {
		dst = protocol.AppendField(dst, protocol.FieldFallback, protocol.LevelClaims)
	}
	if w.heard() >= 0 {
		dst = protocol.AppendInt(dst, protocol.FieldHeard, int64(w.heard()/time.Second))
	}
	if asker := w[optOnBehalfOf].text; asker != "" {
		// Different texts practically always have different labels, and a label says nothing about its text.
		dst = protocol.AppendField(dst, protocol.FieldFor, strconv.FormatUint(maphash.String(q.seed, asker), 36))
	}
	if q.keep {
		dst = protocol.AppendInt(dst, protocol.FieldKeep, 1)
	}
	return dst
}

// daemonShare returns how much of the time left the daemon may use, in
// milliseconds. The rest is for the way back.
func daemonShare(left time.Duration) int64 {
	const most = 50 * time.Millisecond
	left -= min(left/10, most)
	return min(max(left.Milliseconds(), 1), protocol.MaxDeadline)
}

// Option changes one lookup. The zero value changes nothing. If two options of
// one kind are given, the last one wins.
type Option struct {
	kind optionKind
	text string
	span time.Duration
}

// OnlyForProfile reports whether Verify ignores the option, as it does MaxAge
// and FallbackClaims. A program that always calls Verify can refuse such an
// option, whose author wanted something from it.
func (o Option) OnlyForProfile() bool { return o.kind == optMaxAge || o.kind == optFallbackClaims }

// AlwaysUnknown reports whether every lookup with the option is Unknown,
// whatever the daemon knows: so it is with Heard of less than one second, and
// with WithProject of an empty name. A program that asks with the same options
// each time can refuse such an option at its start.
func (o Option) AlwaysUnknown() bool {
	return o.kind == optHeard && o.span < time.Second || o == WithProject("")
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
	optionKinds // how many there are
)

// WithProject says that the token belongs to the named project, instead of
// Client.Project. An empty name gives Unknown: it may come from a variable that
// is not set, and must not stand for another project.
func WithProject(name string) Option { return Option{kind: optProject, text: name} }

// MaxAge asks for a profile that the upstream gave at most age ago. MaxAge(0)
// makes the daemon ask the upstream now. The age is sent in whole seconds,
// rounded down, so the profile is never older than asked for. More than a day
// counts as one day, the greatest value of the protocol. Verify ignores MaxAge.
func MaxAge(age time.Duration) Option {
	return Option{kind: optMaxAge, span: min(max(age, 0), protocol.MaxMaxAge*time.Second)}
}

// Heard accepts an answer only from a daemon that has heard from its fleet
// within that time. Such an answer misses no revocation on another host that is
// older than that. Otherwise the answer is Unknown.
//
// The time is sent in whole seconds, rounded down. Less than one second gives
// Unknown, since no daemon can promise that; more than a day counts as one day.
// With Heard the daemon is asked each time: no kept answer is used. A daemon
// without a fleet fulfils every Heard of a second or more. A daemon that is
// older than this option answers Unknown with the code bad-request.
func Heard(within time.Duration) Option {
	return Option{kind: optHeard, span: min(max(within, 0), protocol.MaxHeard*time.Second)}
}

// Deadline replaces Client.Timeout for this lookup: the call returns after at
// most d. A context that ends earlier wins. Zero or less changes nothing.
//
// With every lookup, the daemon is told to answer a little before the time is
// over: a tenth of it earlier, at most 50 ms. So it can still say what it
// knows, such as a stale profile.
func Deadline(d time.Duration) Option { return Option{kind: optDeadline, span: d} }

// FallbackClaims makes Profile return Accepted at LevelClaims, instead of
// Unknown, when the token is good but the profile cannot be had in time. Verify
// ignores it.
func FallbackClaims() Option { return Option{kind: optFallbackClaims} }

// OnBehalfOf names the visitor for whom the program asks, for example by
// network address. The daemon then divides the program's share among its
// visitors, so that one visitor cannot use up the share of all. OnBehalfOf
// changes no answer. Empty changes nothing.
//
// The text is not sent and need not be secret: the daemon gets a number that is
// computed from it, which differs in each process.
//
// Use OnBehalfOf in a program that asks for many users, such as a web server; a
// program that asks for itself does not need it. A daemon that is older than
// this option answers Unknown with the code bad-request.
func OnBehalfOf(asker string) Option { return Option{kind: optOnBehalfOf, text: asker} }

// wishes are the options of one lookup, one of each kind. An option that was
// not given is the zero value, or has a negative span if 0 is a value too.
type wishes [optionKinds]Option

func wishesOf(verb protocol.Verb, project string, opts []Option) wishes {
	w := wishes{optProject: {text: project}, optMaxAge: {span: -1}, optHeard: {span: -1}}
	for _, o := range opts {
		if verb == protocol.PROFILE || !o.OnlyForProfile() {
			w[o.kind] = o // the last one of a kind wins
		}
	}
	return w
}

func (w *wishes) project() string       { return w[optProject].text }
func (w *wishes) maxAge() time.Duration { return w[optMaxAge].span } // negative: not asked for
func (w *wishes) heard() time.Duration  { return w[optHeard].span }  // negative: not asked for
func (w *wishes) fallback() bool        { return w[optFallbackClaims].kind != optNothing }
