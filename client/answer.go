package client

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/neonauthd/neonauthd/protocol"
)

// Answer is what became of one lookup: exactly one of Accepted, Rejected and
// Unknown, never nil, held by value. No other type can be an Answer.
type Answer interface {
	fmt.Stringer
	answer()
}

// Level says how much was established about an accepted token. Its zero value
// is no level at all and is never in an answer.
type Level uint8

// The levels, each containing the one before it.
const (
	LevelClaims  Level = iota + 1 // signature and claims
	LevelProfile                  // and the profile, from the upstream's REST API
)

// String returns the protocol's word for the level.
func (l Level) String() string {
	return wordAt(int(l), "none", protocol.LevelClaims, protocol.LevelProfile)
}

// Source says where the daemon had its evidence from. Its zero value is no
// source at all and is never in an answer.
type Source uint8

// The sources.
const (
	SourceUpstream Source = iota + 1 // established for this lookup
	SourceCache                      // established earlier and still fresh
	SourceStale                      // past its fresh time, used because the upstream fails
)

// String returns the protocol's word for the source, "" for the zero value.
func (s Source) String() string {
	return wordAt(int(s), "", protocol.SourceUpstream, protocol.SourceCache, protocol.SourceStale)
}

// wordAt returns the first word for a value that has none of its own.
func wordAt(value int, words ...string) string {
	if value >= len(words) {
		value = 0
	}
	return words[value]
}

// Accepted says that the token is good at the stated level. Printing it shows
// neither the subject nor the JSON, which are the user's own business.
type Accepted struct {
	Level   Level
	Project string // the daemon's name of the project
	Subject string // the user's id, never empty

	// Principal is who Subject is: protocol.PrincipalUser, or PrincipalMachine or
	// PrincipalTeam where the daemon's project admits those. "": an older daemon,
	// which knows users only.
	Principal string

	Age     time.Duration // since the evidence was had from the upstream; whole seconds
	TTL     time.Duration // how long this answer may be reused; whole seconds, 0 is not at all
	Expires time.Time     // when the token ends
	Source  Source

	// Heard is how long ago the daemon has heard its fleet, whole seconds, where it says that: while it does not hear the
	// fleet, and to who asked with the option Heard. A revocation made elsewhere since then may be missing. 0: it did not say.
	Heard time.Duration

	// JSON is the claims object (LevelClaims) or the profile (LevelProfile)
	// as the upstream wrote it, on one line. It belongs to the receiver.
	JSON json.RawMessage

	// payload is the claims part of the token, of an answer at LevelProfile.
	payload string
}

// Rejected says that the daemon holds proof against the token. Asking again
// with the same token is pointless.
type Rejected struct {
	Reason protocol.Reason
}

// Unknown says that nothing was learnt about the token: neither a yes nor a
// no. Its zero value is an answer too, but never one that a Client gives:
// those always have Err.
type Unknown struct {
	// Code is the daemon's word for why it cannot tell, empty when no
	// answer of the daemon was had.
	Code protocol.Code

	// RetryAfter is when asking again makes sense, 0 when nobody knows.
	RetryAfter time.Duration

	// Err is the cause, for a log. It holds no token and nothing of a
	// claim. errors.Is finds ErrUnreachable, ErrBroken, ErrGarbled,
	// ErrClosed, context.Canceled and context.DeadlineExceeded in it.
	Err error
}

func (Accepted) answer() {}
func (Rejected) answer() {}
func (Unknown) answer()  {}

// String says what was established, without any of the user's data.
func (a Accepted) String() string {
	return fmt.Sprintf("accepted level=%s source=%s age=%s ttl=%s", a.Level, a.Source, a.Age, a.TTL)
}

// GoString is String: %#v must not spill the JSON either.
func (a Accepted) GoString() string { return "client.Accepted{" + a.String() + "}" }

// LogValue is String for structured logs.
func (a Accepted) LogValue() slog.Value { return slog.StringValue(a.String()) }

// String gives the reason.
func (r Rejected) String() string { return "rejected: " + string(r.Reason) }

// String gives the cause.
func (u Unknown) String() string {
	if u.Err != nil {
		return "unknown: " + u.Err.Error()
	}
	return "unknown"
}
