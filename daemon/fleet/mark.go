package fleet

import (
	"cmp"
	"errors"
	"math"
)

// Name is what a mark is about. The fleet does not interpret it: kind says what
// the value is, such as "subject" or "purge-subject".
type Name struct {
	Kind    string `json:"kind"`
	Project string `json:"project,omitzero"`
	Value   string `json:"value,omitzero"`
}

// Never is the Until of a mark that is in force until it is taken back. The
// mark is kept for ever.
const Never int64 = math.MaxInt64

// Keep is how long a mark is kept beyond its Until, in seconds: a host that was
// away may bring an older state of it for so long.
const Keep = 3600

// Mark is one thing that must not be accepted any more, or that was taken back.
// It only grows: Join takes the larger of each field, so marks can be joined in
// any order and any number of times. The zero value of each field means that
// nothing is known.
type Mark struct {
	Name
	// Revoked is the stamp of the newest revocation (or purge).
	Revoked Stamp `json:"r,omitzero"`
	// Undone is the stamp of the newest revocation that was taken back. A newer
	// one, made elsewhere meanwhile, stays in force.
	Undone Stamp `json:"u,omitzero"`
	// At says what is covered, in Unix seconds: of a subject's tokens those whose
	// iat is not later. Only the maker of the mark interprets it.
	At int64 `json:"at,omitzero"`
	// Until is when no living token can be covered any more, in Unix seconds, or
	// Never.
	Until int64 `json:"until,omitzero"`
}

// Join returns the mark that knows what both know. It is commutative, associative
// and idempotent. Both are of one name.
func (m Mark) Join(other Mark) Mark {
	m.Revoked = max(m.Revoked, other.Revoked)
	m.Undone = max(m.Undone, other.Undone)
	m.At = max(m.At, other.At)
	m.Until = max(m.Until, other.Until)
	return m
}

// InForce reports whether the mark covers anything at now, in Unix seconds.
func (m Mark) InForce(now int64) bool { return m.Revoked > m.Undone && m.Until > now }

// Over reports whether the mark can be forgotten at now, in Unix seconds.
func (m Mark) Over(now int64) bool { return m.Until != Never && m.Until < now-Keep }

// compareRevoked orders what two marks say of the revocation, as the engine's
// script does: by stamp, then by what is covered. The join of two is not below
// either.
func compareRevoked(a, b Mark) int {
	return cmp.Or(cmp.Compare(a.Revoked, b.Revoked), cmp.Compare(a.At, b.At), cmp.Compare(a.Until, b.Until))
}

// compareUndone orders what two marks say of taking back.
func compareUndone(a, b Mark) int {
	return cmp.Or(cmp.Compare(a.Undone, b.Undone), cmp.Compare(a.Until, b.Until))
}

// maxNamePart bounds each part of a name, in bytes.
const maxNamePart = 1024

var errMark = errors.New("a mark needs a kind, a stamp and an end, and names of at most 1024 bytes")

// valid reports whether the mark can be shared.
func (m Mark) valid() error {
	if m.Kind == "" || max(len(m.Kind), len(m.Project), len(m.Value)) > maxNamePart ||
		m.Revoked == 0 && m.Undone == 0 || m.At < 0 || m.Until <= 0 || m.Revoked > MaxStamp || m.Undone > MaxStamp {
		return errMark
	}
	return nil
}
