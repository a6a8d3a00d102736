package upstream

import (
	"strconv"
	"strings"
	"time"

	"github.com/neonauthd/neonauthd/protocol"
)

// The acts that errors name.
const (
	actKeys       = "fetch keyset"
	actMetadata   = "fetch metadata"
	actProfile    = "fetch profile"
	actAPIKey     = "check an API key"
	actIntrospect = "introspect a token"
	actSelfTest   = "test the settings"
)

// Meaning says what an exchange with the upstream established.
type Meaning uint8

// The meanings. The zero value is the harmless one: nothing was established.
const (
	// Unavailable: no answer now. It says nothing about the token or the user; ask again later.
	Unavailable Meaning = iota
	// Denied: the upstream has judged the token or its user, by one of its own codes, and the answer is no.
	Denied
	// Misconfigured: the operator must act (wrong key, wrong project, something in between that answers in
	// the upstream's place). It says nothing about the token or the user.
	Misconfigured
	// Answered: the request was answered. No *Error has this meaning.
	Answered
)

// String returns the meaning's name in lower case.
func (m Meaning) String() string {
	switch m {
	case Denied:
		return "denied"
	case Misconfigured:
		return "misconfigured"
	case Answered:
		return "answered"
	default:
		return "unavailable"
	}
}

// Error is the only error type of the methods of [Client] that ask an upstream.
//
// Its text is made of this package's own words, codes of a closed list, and numbers. It never holds text that
// came from the network, a URL, a token or a secret, and neither does anything that errors.Unwrap gives.
type Error struct {
	// Meaning is Unavailable, Denied or Misconfigured.
	Meaning Meaning
	// Denial is the reason why the upstream denied. It is set exactly when the meaning is [Denied].
	//
	// ReasonRejectedUpstream means that it does not recognise the token or the session, ReasonExpired that these are
	// over: both concern this token alone. ReasonUserNotFound and ReasonClassNotAllowed (anonymous, restricted or
	// banned now) concern the user.
	Denial protocol.Reason
	// Code is the upstream's own code, if it is on the closed list of codes this package knows; else empty.
	Code string
	// Status is the HTTP status the meaning was taken from; 0 when there was no answer.
	Status int
	// RetryAfter is how long to wait before asking again; 0 when nothing is known about it. What the upstream asks for
	// is capped at [MaxRetryAfter].
	RetryAfter time.Duration
	// OwnClock tells that a denial rests on this host's clock alone, because the answer has no Date. The denial holds
	// only as long as that clock says so.
	OwnClock bool
	// Local tells that nothing was sent: budget, circuit, a pause after an earlier answer, or a missing setting.
	Local bool

	act     string  // what was being done: "fetch profile"
	detail  string  // a phrase of ours, never foreign text
	err     error   // a sentinel that callers may test for, or nil
	outcome outcome // what the governor learns from it
	loud    bool    // the operator has to hear of it, whatever the meaning
	// doubtful tells that the answer itself may be used once the clocks agree.
	doubtful bool
	ofOne    bool // it is about data of one user, and says nothing against the upstream
	earlier  bool // it is about an earlier request, too soon after which nothing is sent
}

// outcome is what an exchange says about the health of the upstream.
type outcome uint8

const (
	healthy outcome = iota // it answers, whatever the answer
	failed                 // it does not: transport errors, 5xx, 429
	silent                 // nothing learned: the caller gave up
	blocked                // it answers, but with nothing that could be used, to several users in a row
)

// Unfit reports whether something has answered, but with no answer to the question: a status that says nothing of the
// user, a code that is for the operator, a body that cannot be used. The same question probably gets the same answer
// again. An answer that cannot be used only because the clocks differ is not unfit: they may agree a moment later.
func (e *Error) Unfit() bool {
	return e.Meaning != Denied && e.outcome == healthy && !e.Local && !e.doubtful
}

// Error returns a text fit for logs.
func (e *Error) Error() string {
	var b strings.Builder
	if e.act != "" {
		b.WriteString(e.act)
		b.WriteString(": ")
	}
	b.WriteString(e.Cause())
	return b.String()
}

// Cause is the text without what was being done.
func (e *Error) Cause() string {
	var b strings.Builder
	b.WriteString(e.Meaning.String())
	if e.Meaning == Denied {
		b.WriteString(" (" + string(e.Denial) + ")")
	}
	if e.Status != 0 {
		b.WriteString(": status " + strconv.Itoa(e.Status))
	}
	if e.Code != "" {
		b.WriteString(": " + e.Code)
	}
	if e.detail != "" {
		b.WriteString(": " + e.detail)
	}
	return b.String()
}

// Unwrap returns context.Canceled, context.DeadlineExceeded, [ErrNotSession] or nil.
func (e *Error) Unwrap() error { return e.err }

// remembered returns the failure for a request that is not sent because of it: it comes too soon, by that much.
func (e *Error) remembered(wait time.Duration) *Error {
	again := *e
	again.Local, again.earlier, again.RetryAfter, again.outcome = true, true, wait, silent
	return &again
}

// unreadableKey is the failure of a call that needs the server key, which could not be read.
func unreadableKey() *Error {
	return &Error{Meaning: Misconfigured, Local: true, detail: "the server key could not be read, so there are no profiles; the line \"server key not usable\" says why"}
}
