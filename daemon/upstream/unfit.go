package upstream

import (
	"hash/maphash"
	"slices"
)

// unfit counts answers that are unfit ([Error.Unfit]). One may concern one user alone, so it does not count against the
// upstream. If several users in a row get such answers and nobody a good one, then the upstream blocks this host,
// something else answers in its place, or the settings are wrong. The circuit then opens, so that the upstream is not
// asked at the full rate without end. While it is open, lookups are answered as after the last such answer.
//
// It needs a seed. The governor's mutex guards it.
type unfit struct {
	seed    maphash.Seed
	users   []uint64 // who got such answers since the last good one; at most tripAfter
	tripped *Error   // the one that opened the circuit, while that is open because of it
	paused  *Error   // the one that asked for the pause, if it was one of these
}

// judge learns from a result, nil for an answer, and returns what it is for the circuit. about says whom it is about;
// empty for what may be made up by anybody, which does not count.
func (u *unfit) judge(o outcome, about string, e *Error) outcome {
	switch {
	case o == healthy && (e == nil || !e.Unfit() || e.ofOne):
		u.users, u.tripped = u.users[:0], nil
		return o
	case o == failed:
		u.tripped = nil
		return o
	case o != healthy:
		return o
	}
	if about != "" && len(u.users) < tripAfter {
		if is := maphash.String(u.seed, about); !slices.Contains(u.users, is) {
			u.users = append(u.users, is)
		}
	}
	switch {
	case len(u.users) < tripAfter:
		return healthy
	case about == "":
		return silent
	}
	u.tripped = kept(e)
	return blocked
}

// kept returns a copy of an unfit answer to remember, and nil for anything else. The caller of the request goes on to
// write into e.
func kept(e *Error) *Error {
	if !e.Unfit() {
		return nil
	}
	own := *e
	return &own
}
