package membership

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/neonauthd/neonauthd/daemon/fleet"
	"github.com/neonauthd/neonauthd/daemon/revoke"
)

// kindLongest is the kind of the mark that tells the lifetime of the longest-lived
// token that the fleet has seen. At is that lifetime in seconds, and the larger At
// counts. Every host keeps revocations of sessions and subjects for at least this
// time.
const kindLongest = "longest-token"

// journal gives the fleet access to the list of revocations.
type journal struct{ member *Member }

// Marks yields all marks that the list keeps.
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

// Join adds what other hosts have told. Marks of kinds that this version does not
// know are for newer hosts, and change nothing here.
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

// Settled waits until answers that were given before are settled; see Options.
func (j *journal) Settled(ctx context.Context) error { return j.member.o.Settled(ctx) }

// maxLife is the longest token lifetime that the fleet can tell, in seconds: ten
// years.
const maxLife = 10 * 366 * 24 * 3600

func longestMark(d time.Duration) fleet.Mark {
	return fleet.Mark{Name: fleet.Name{Kind: kindLongest}, Revoked: 1, At: min(int64(d/time.Second), maxLife), Until: fleet.Never}
}

// known reports whether marks of that kind are for the list.
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

// tellEvery is how often the host checks whether it has seen longer-lived tokens.
const tellEvery = time.Second

// tellLonger tells the fleet, until ctx ends, when this host has seen a token that
// lives longer than every token it knew of. It tells its revocations again too, which
// end later now.
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
