package fair

import "strconv"

// Shares is the rule by which a number of equal things (connections, places, bytes) is divided among callers. The zero
// value has nothing to give.
type Shares struct {
	// Total is the number of things.
	Total int
	// Each is how many one caller may hold at most.
	Each int
	// Kept is how many of Total, the last ones, are kept for callers that hold little. Of these a caller gets only so
	// many that it holds at most an eighth of what was free, and in any case its first one. So it takes more than forty
	// greedy callers to leave nothing for the next one.
	Kept int
}

// little is the divisor of [Shares].Kept: a caller that holds at most an eighth of what is free still gets kept things.
const little = 8

// Admit reports whether a caller that holds own of the things may have n more while all callers together hold taken.
func (s Shares) Admit(own, taken, n int) bool {
	free := s.Total - taken
	switch {
	case n < 0, n > free, own+n > s.Each:
		return false
	case free-n >= s.Kept:
		return true
	}
	return own == 0 || own+n <= free/little
}

// ID identifies a caller. It is comparable, and holds nothing secret.
type ID struct {
	// UID is the caller's user, as this process sees it.
	UID uint32
	// PID is the caller's process if users cannot be told apart. It is 0 if the caller is all processes of the user.
	PID int32
}

// User returns the caller's user in digits, or "" if users cannot be told apart.
func (id ID) User() string {
	if id.PID != 0 {
		return ""
	}
	return strconv.FormatUint(uint64(id.UID), 10)
}
