package client

import (
	"cmp"

	"github.com/neonauthd/neonauthd/protocol"
)

// Flag is a fact that may not be known. Its zero value is FlagUnknown.
type Flag uint8

// The flags.
const (
	FlagUnknown Flag = iota
	FlagTrue
	FlagFalse
)

// String returns "true", "false", or "" for what is not known.
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

// MarshalJSON writes true, false, or null for what is not known.
func (f Flag) MarshalJSON() ([]byte, error) {
	return []byte(cmp.Or(f.String(), "null")), nil
}

// Kind is a class of users. Its zero value is KindUnknown.
type Kind uint8

// The kinds. The daemon refuses restricted and anonymous users, machines and teams
// unless its project admits them.
const (
	KindUnknown    Kind = iota
	KindNormal          // signed in, and nothing stands against it
	KindRestricted      // signed in, but not let in everywhere, such as one whose address is not verified
	KindAnonymous       // somebody who has not signed in
	KindMachine         // no user: an OAuth client that acts for itself
	KindTeam            // no user: a team, whose API key it is
)

// String returns "normal", "restricted", "anonymous", "machine", "team", or "" for
// what is not known.
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
