package revoke

import (
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
)

// facts are the journal's lines about this host's tokens: their longest
// lifetime, and the greatest iat of each project.
type facts struct {
	longest int64
	issued  map[string]int64
}

func newFacts() facts { return facts{issued: map[string]int64{}} }

// note adds a line that is in the journal.
func (f *facts) note(l *line) {
	switch l.Op {
	case opLongest:
		f.longest = l.Until
	case opIssued:
		f.issued[l.Project] = l.At
	}
}

// known returns the facts as they are now.
func (l *List) known() facts {
	f := newFacts()
	f.longest = l.longest.Load()
	for project, at := range l.issued.Range {
		if at := at.(*atomic.Int64).Load(); at > 0 {
			f.issued[project.(string)] = at
		}
	}
	return f
}

// since returns the lines that change old to f.
func (f *facts) since(old *facts) []line {
	var all []line
	if f.longest != old.longest {
		all = append(all, line{Op: opLongest, Until: f.longest})
	}
	for _, project := range slices.Sorted(maps.Keys(f.issued)) {
		if at := f.issued[project]; at != old.issued[project] {
			all = append(all, line{Op: opIssued, Mark: Mark{Project: project}, At: at})
		}
	}
	return all
}

// save writes changes, which are in force already, into the journal, and also
// what has been learnt since the last save. If save fails, later calls save
// everything. l.mu is held.
func (l *List) save(changes ...line) error {
	known := l.known()
	sound := l.journal.sound()
	l.touched = l.touched || !sound && !l.journal.broken && l.journal.file != nil
	var err error
	if sound && l.journal.lines <= 2*(l.Len()+l.past.len())+slack {
		err = l.journal.append(append(changes, known.since(&l.learnt)...))
	} else {
		err = l.rewrite(&known)
	}
	if err != nil {
		if len(changes) > 0 {
			l.unsaved.Store(true)
		}
		return fmt.Errorf("%w (%w)", ErrNotSaved, err)
	}
	if l.touched {
		l.tell(FaultChanged)
	}
	l.touched = false
	l.learnt = known
	l.unsaved.Store(false)
	return nil
}

// settle saves what earlier changes could not save. l.mu is held.
func (l *List) settle() error {
	if !l.unsaved.Load() {
		return nil
	}
	return l.save()
}

// rewrite writes the journal anew with what is in force and what is known, and
// nothing else. l.mu is held.
func (l *List) rewrite(known *facts) error {
	none := newFacts()
	return l.journal.replace(func(yield func(line) bool) {
		for _, one := range known.since(&none) {
			if !yield(one) {
				return
			}
		}
		more := true
		l.marks.Range(func(m, v any) bool {
			more = yield(v.(revocation).line(m.(Mark)))
			return more
		})
		for m, v := range l.past.all() {
			if !more || !yield(v.line(m)) {
				return
			}
		}
	})
}

// told returns the log line for each fault.
func told() map[Fault]string {
	return map[Fault]string{
		FaultHalfLine:  "the journal of revocations ended in half a line: a change that was under way when the daemon ended, and that nobody was told of, is not in force",
		FaultNoSeal:    "the journal of revocations had no seal: if lines were lost at its end, or it is an older copy, the revocations in them are forgotten; see that those you made are in force",
		FaultNoJournal: "the journal of revocations and its seal are gone: every revocation that was made is forgotten; stop the daemon and put back a copy of both, or revoke again what has to stay revoked",
		FaultHalfSeal:  "half of the seal of the journal of revocations was damaged: the other half was used; if no crash did that, test the disk",
		FaultGap:       "lines are missing in the journal of revocations: what they said is forgotten; see that the revocations you made are in force",
		FaultChanged:   "somebody else removed or changed the journal of revocations: it is written anew with everything that is in force; nothing but neonauthd may touch it",
	}
}

// tell logs a fault and remembers it.
func (l *List) tell(f Fault) {
	l.faults.Store(f, struct{}{})
	l.log.Warn(told()[f], "file", l.journal.path(), "fault", string(f))
}

// Faults returns the faults of the journal since the start. A nil list has none.
// Faults takes no lock.
func (l *List) Faults() []Fault {
	if l == nil {
		return nil
	}
	return slices.DeleteFunc(Faults(), func(f Fault) bool {
		_, found := l.faults.Load(f)
		return !found
	})
}
