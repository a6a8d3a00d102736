package wording

import (
	"fmt"

	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/protocol"
)

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
	// UnusableKey says that the key set has a key that may have signed the token, and that the
	// daemon cannot use that key.
	UnusableKey
	// Causes is the number of causes, with the zero value, which is none.
	Causes
)

// String returns the cause as the label of a metric; "" if there is none.
func (c Cause) String() string {
	return [Causes]string{NotHeard: "not-heard", ClockUnset: "clock-unset", NoProfile: "no-profile", UnusableKey: "unusable-key"}[c]
}

// Code returns the code that the cause is behind; unavailable if there is no cause.
func (c Cause) Code() protocol.Code {
	if c == UnusableKey {
		return protocol.CodeMisconfigured
	}
	return protocol.CodeUnavailable
}

// Text returns the cause as the text of a reply; "" if there is none.
func (c Cause) Text() string {
	return [Causes]string{NotHeard: protocol.TextUnheard, ClockUnset: protocol.TextClockUnset, NoProfile: protocol.TextNoProfile, UnusableKey: protocol.TextUnusableKey}[c]
}

// Unjudged returns the cause, and the line of the log, for a token that could not be judged
// with this key set, for this code.
func Unjudged(why protocol.Code, s *keyset.Set, token []byte) (Cause, string) {
	if why != protocol.CodeMisconfigured {
		return 0, "a token could not be judged by a fault of ours and was answered " + string(why) + "; please report this line"
	}
	entry, suspected := s.Suspect(token)
	if !suspected {
		return 0, fmt.Sprintf("a token names no key, and the key set has more of its algorithm than are tried (%d); see that the issuer writes kid, or publishes fewer", keyset.MaxTried)
	}
	return UnusableKey, fmt.Sprintf("tokens cannot be judged, because their key is one that cannot be used: entry %d of the key set (counted from 0), %s; have the issuer publish a key that can be used. Forged tokens that name this key are told of here too", entry.Index, entry.Why)
}
