package client

import (
	"cmp"

	"github.com/neonauthd/neonauthd/protocol"
)

// Flag is a boolean that may be unknown. The zero value is FlagUnknown.
type Flag uint8

// The flags.
const (
	FlagUnknown Flag = iota
	FlagTrue
	FlagFalse
)

// String returns "true", "false", or "" for FlagUnknown.
func (f Flag) String() string {
	switch f {
	case FlagTrue:
		return "true"
	case FlagFalse:
		return "false"
	case FlagUnknown:
	}
	return ""
}

// MarshalJSON writes true, false, or null for FlagUnknown.
func (f Flag) MarshalJSON() ([]byte, error) {
	return []byte(cmp.Or(f.String(), "null")), nil
}

// Kind is a class of users. The zero value is KindUnknown.
type Kind uint8

// The kinds. The daemon rejects restricted and anonymous users, machines and
// teams unless its project admits them.
const (
	KindUnknown    Kind = iota
	KindNormal          // a user who is signed in, without restrictions
	KindRestricted      // a user who is signed in, but restricted: for example the email address is not verified
	KindAnonymous       // a user who has not signed in
	KindMachine         // not a user: an OAuth client that acts for itself
	KindTeam            // not a user: a team, for which an API key was made
)

// String returns "normal", "restricted", "anonymous", "machine", "team", or ""
// for KindUnknown.
func (k Kind) String() string {
	switch k {
	case KindNormal:
		return "normal"
	case KindRestricted:
		return "restricted"
	case KindAnonymous:
		return "anonymous"
	case KindMachine:
		return protocol.PrincipalMachine
	case KindTeam:
		return protocol.PrincipalTeam
	case KindUnknown:
	}
	return ""
}

// MarshalText is String.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }
