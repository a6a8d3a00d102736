package client

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/neonauthd/neonauthd/protocol"
)

// Answer is the outcome of one lookup: exactly one of Accepted, Rejected and
// Unknown, never nil, held by value. No other type can be an Answer.
type Answer interface {
	fmt.Stringer
	answer()
}

// Level says how much the daemon has verified about an accepted token. The zero
// value is not a level and never stands in an answer.
type Level uint8

// The levels. LevelProfile includes LevelClaims.
const (
	LevelClaims  Level = iota + 1 // signature and claims
	LevelProfile                  // and the profile, from the upstream's REST API
)

// String returns the protocol's word for the level.
func (l Level) String() string {
	return wordAt(int(l), "none", protocol.LevelClaims, protocol.LevelProfile)
}

// Source says where the daemon's evidence comes from. The zero value is not a
// source and never stands in an answer.
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

// wordAt returns the word of the value, and the first word for a value without
// a word.
func wordAt(value int, words ...string) string {
	if value >= len(words) {
		value = 0
	}
	return words[value]
}

// Accepted says that the token is good at the stated level. Printing an
// Accepted shows neither the subject nor the JSON, which are private data of
// the user.
type Accepted struct {
	Level   Level
	Project string // the daemon's name of the project
	Subject string // the id of what Principal says, never empty: of a user, a client or a team

	// Principal says what Subject names: protocol.PrincipalUser, or
	// PrincipalMachine or PrincipalTeam where the daemon's project admits
	// those. "": the daemon is older and knows only users.
	Principal string

	Age     time.Duration // since the upstream gave the evidence; whole seconds
	TTL     time.Duration // how long this answer may be reused; whole seconds; 0: do not reuse it
	Expires time.Time     // when the token ends
	Source  Source

	// Heard is how long ago the daemon last heard from its fleet, in whole
	// seconds. A revocation that was made on another host since then may be
	// missing from this answer. The daemon sends Heard while it does not hear
	// from the fleet, and in answers to lookups with the option Heard. 0: the
	// daemon did not send it.
	Heard time.Duration

	// JSON is the claims object (LevelClaims) or the profile (LevelProfile) as
	// the upstream wrote it, on one line. The caller may keep and change it.
	JSON json.RawMessage

	// payload is the claims part of the token, for answers at LevelProfile.
	payload string
}

// Rejected says that the daemon holds proof against the token. Asking again soon
// is pointless: most reasons last for ever, and the others until what
// protocol.md names beside each reason ("Lasting").
type Rejected struct {
	Reason protocol.Reason
}

// Unknown says that nothing was learnt about the token: neither that it is good
// nor that it is bad. The zero value is a valid answer, but a Client never
// returns it: an Unknown from a Client always has Err.
type Unknown struct {
	// Code is the daemon's code for why it cannot tell. Empty: the daemon gave
	// no answer.
	Code protocol.Code

	// RetryAfter is how long to wait before asking again. 0: not known.
	RetryAfter time.Duration

	// Err is the cause, for a log. Its text contains no token and no claims.
	// errors.Is finds ErrUnreachable, ErrBroken, ErrGarbled, ErrClosed,
	// context.Canceled and context.DeadlineExceeded in it.
	Err error
}

func (Accepted) answer() {}
func (Rejected) answer() {}
func (Unknown) answer()  {}

// String says what was verified, without any of the user's data.
func (a Accepted) String() string {
	return fmt.Sprintf("accepted level=%s source=%s age=%s ttl=%s", a.Level, a.Source, a.Age, a.TTL)
}

// SameUser reports whether b says the same about the same user as a: the two answers
// differ in Age, TTL, Expires, Source and Heard at most. User then returns the same for both.
// What a program has computed from the user in one answer holds for the other answer too.
func (a Accepted) SameUser(b Accepted) bool {
	return a.Level == b.Level && a.Project == b.Project && a.Subject == b.Subject && a.Principal == b.Principal &&
		bytes.Equal(a.JSON, b.JSON) && a.payload == b.payload
}

// GoString is String: %#v must not show the JSON either.
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
