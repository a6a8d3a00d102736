package resolve

// Level says how much was established. The zero value asks for nothing.
type Level uint8

// The levels, weaker first.
const (
	LevelNone    Level = iota
	LevelClaims        // signature and claims
	LevelProfile       // and what the upstream says of the user or the credential

	// Levels is how many there are.
	Levels = LevelProfile + 1
)

// String returns the protocol's word.
func (l Level) String() string {
	switch l {
	case LevelClaims:
		return "claims"
	case LevelProfile:
		return "profile"
	default:
		return "none"
	}
}

// Source says where an accepted verdict's evidence comes from. The zero value is that of a
// verdict that is not accepted.
type Source uint8

// The sources, as the protocol defines them.
const (
	SourceNone     Source = iota
	SourceUpstream        // established for this lookup
	SourceCache           // established earlier, fresh
	SourceStale           // past its fresh time, the upstream fails

	// Sources is how many there are.
	Sources = SourceStale + 1
)

// String returns the protocol's word.
func (s Source) String() string {
	switch s {
	case SourceUpstream:
		return "upstream"
	case SourceCache:
		return "cache"
	case SourceStale:
		return "stale"
	default:
		return "none"
	}
}
