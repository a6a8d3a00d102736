package resolve

// Level says how much was established. The zero value asks for nothing.
type Level uint8

// The levels, weaker first.
const (
	LevelNone    Level = iota
	LevelClaims        // signature and claims
	LevelProfile       // and the profile that the upstream's REST API gave

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

// Source says where an accepted verdict's evidence comes from.
type Source uint8

// The sources, as the protocol defines them.
const (
	SourceUpstream Source = iota // established for this lookup
	SourceCache                  // established earlier, fresh
	SourceStale                  // past its fresh time, the upstream fails

	// Sources is how many there are.
	Sources = SourceStale + 1
)

// String returns the protocol's word.
func (s Source) String() string {
	switch s {
	case SourceCache:
		return "cache"
	case SourceStale:
		return "stale"
	default:
		return "upstream"
	}
}
