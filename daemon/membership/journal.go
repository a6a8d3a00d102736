package membership

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/neonauthd/neonauthd/daemon/fleet"
	"github.com/neonauthd/neonauthd/daemon/revoke"
)

// kindLongest is the mark that says how long the longest-lived token lives that
// the fleet has seen: At holds seconds, and the larger holds. Revocations of
// sessions and subjects are kept for so long on every host.
const kindLongest = "longest-token"

// journal is the list of revocations as the fleet sees it.
type journal struct{ member *Member }

// Marks yields everything that the list keeps.
func (j *journal) Marks() iter.Seq[fleet.Mark] {
	list := j.member.o.List
	return func(yield func(fleet.Mark) bool) {
		if longest := list.Longest(); longest > 0 && !yield(longestMark(longest)) {
			return
		}
		for s := range list.Shared() {
			if !yield(markOf(s)) {
				return
			}
		}
	}
}

// Join takes in what other hosts have told. Marks of kinds that this version does
// not know are for newer hosts, and change nothing here.
func (j *journal) Join(marks []fleet.Mark) error {
	m := j.member
	var told []revoke.Shared
	longer := false
	for _, mark := range marks {
		switch {
		case mark.Kind == kindLongest:
			longer = m.o.List.RaiseLongest(time.Duration(min(mark.At, maxLife))*time.Second) || longer
		case known(revoke.Kind(mark.Kind)):
			told = append(told, sharedOf(mark))
		}
	}
	changed, err := m.o.List.Join(told)
	if len(changed) > 0 {
		m.o.Changed(changed)
	}
	if f := m.current.Load(); longer && f != nil {
		f.Tell(collect(j.Marks()))
	}
	if errors.Is(err, revoke.ErrNotSaved) && !errors.Is(err, revoke.ErrFull) {
		return errors.Join(fleet.ErrNotSaved, err)
	}
	return err
}

// Settled is the daemon's word on answers that were given before.
func (j *journal) Settled(ctx context.Context) error { return j.member.o.Settled(ctx) }

// maxLife bounds what the fleet can say of a token's lifetime, in seconds: ten
// years.
const maxLife = 10 * 366 * 24 * 3600

func longestMark(d time.Duration) fleet.Mark {
	return fleet.Mark{Name: fleet.Name{Kind: kindLongest}, Revoked: 1, At: min(int64(d/time.Second), maxLife), Until: fleet.Never}
}

// known reports whether a mark of that kind is for the list.
func known(kind revoke.Kind) bool {
	switch kind {
	case revoke.KindToken, revoke.KindSession, revoke.KindSessionless, revoke.KindSubject, revoke.KindKey,
		revoke.KindPurgeAll, revoke.KindPurgeSubject, revoke.KindPurgeToken:
		return true
	}
	return false
}

func nameOf(m revoke.Mark) fleet.Name {
	return fleet.Name{Kind: string(m.Kind), Project: m.Project, Value: m.Value}
}

func markOf(s revoke.Shared) fleet.Mark {
	return fleet.Mark{Name: nameOf(s.Mark), Revoked: fleet.Stamp(s.Revoked), Undone: fleet.Stamp(s.Undone), At: s.At, Until: s.Until}
}

func sharedOf(m fleet.Mark) revoke.Shared {
	return revoke.Shared{
		Mark:    revoke.Mark{Kind: revoke.Kind(m.Kind), Project: m.Project, Value: m.Value},
		Revoked: uint64(m.Revoked), Undone: uint64(m.Undone), At: m.At, Until: m.Until,
	}
}

func collect(marks iter.Seq[fleet.Mark]) []fleet.Mark {
	var all []fleet.Mark
	for m := range marks {
		all = append(all, m)
	}
	return all
}

// tellEvery is how often the host looks whether it has met longer-lived tokens.
const tellEvery = time.Second

// tellLonger tells the fleet when this host meets tokens that live longer than any
// it has heard of, and with that how far its revocations reach, until ctx ends.
func (m *Member) tellLonger(ctx context.Context, f *fleet.Fleet) {
	told := m.o.List.Longest()
	tick := time.NewTicker(tellEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if longest := m.o.List.Longest(); longest > told {
			f.Tell(collect(m.journal.Marks()))
			told = longest
		}
	}
}
