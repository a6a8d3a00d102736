package wording

import "github.com/neonauthd/neonauthd/protocol"

// Cause tells people what is behind a code, where the code alone would mislead them. The zero
// value tells nothing.
type Cause uint8

const (
	// NotHeard says that the host has not heard its fleet for too long.
	NotHeard Cause = iota + 1
	// ClockUnset says that the host's clock was never set.
	ClockUnset
	// NoProfile says that there is no profile behind the token, whose claims may be good: it is
	// a machine's, or a JWT of an upstream that answers only for session credentials.
	NoProfile
	// Causes is the number of causes, with the zero value, which is none.
	Causes
)

// String returns the cause as the label of a metric; "" if there is none. The code of all
// causes is unavailable.
func (c Cause) String() string {
	return [Causes]string{NotHeard: "not-heard", ClockUnset: "clock-unset", NoProfile: "no-profile"}[c]
}

// Text returns the cause as the text of a reply; "" if there is none.
func (c Cause) Text() string {
	return [Causes]string{NotHeard: protocol.TextUnheard, ClockUnset: protocol.TextClockUnset, NoProfile: protocol.TextNoProfile}[c]
}
