package revoke

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// kept returns the revocations in a stored journal.
func kept() []Mark {
	return []Mark{
		{KindToken, "main", SignedDigest([]byte("a.b.c"))},
		{KindSession, "main", "s \"1\"\n"},
		{KindSubject, "main", "<ada> \u00e9\u4e16"},
		{KindKey, "other", "kid"},
		{KindSession, "main", "the last"},
	}
}

// stored is what a daemon has left on disk: the text of both files, and their
// text before the daemon's last change.
type stored struct{ journal, seal, olderJournal, olderSeal string }

// lines returns the journal's lines with their ends; the first is the head.
func (o stored) lines() []string { return slices.Collect(strings.Lines(o.journal)) }

// from returns the journal with its lines changed.
func (o stored) from(change func(lines []string) []string) string {
	return strings.Join(change(o.lines()), "")
}

// store fills s by a run of a daemon, and returns the files.
func (s *shelf) store() stored {
	s.t.Helper()
	var o stored
	r := s.open()
	for _, m := range kept() {
		o.olderJournal, o.olderSeal = s.text(), s.read(s.seal)
		s.revoke(r, m)
	}
	if err := r.Close(); err != nil {
		s.t.Fatal(err)
	}
	o.journal, o.seal = s.text(), s.read(s.seal)
	return o
}

// wantKept fails unless all revocations of kept are in force.
func wantKept(t *testing.T, r *List) {
	t.Helper()
	for _, m := range kept() {
		if !r.Has(m) {
			t.Errorf("%s %q is not in force", m.Kind, m.Value)
		}
	}
	if r.Len() != len(kept()) {
		t.Errorf("%d are in force, want %d", r.Len(), len(kept()))
	}
}

// TestWhatDamageToTheJournalDoes tries every damage to the files that we can
// imagine.
func TestWhatDamageToTheJournalDoes(t *testing.T) {
	for _, c := range slices.Concat(endings(), middles(t), heads(t), seals(t)) {
		t.Run(c.name, func(t *testing.T) {
			s := newShelf(t)
			o := s.store()
			s.put(s.path, c.journal, o)
			s.put(s.seal, c.seal, o)
			r, err := s.try()
			if c.refuses != "" {
				if err == nil {
					t.Fatal("it starts")
				}
				for _, want := range []string{c.refuses, s.path} {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("error %q does not say %q", err, want)
					}
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			wantKept(t, r)
			if got := r.Faults(); !slices.Equal(sorted(got), sorted(c.faults)) {
				t.Errorf("faults %q, want %q", got, c.faults)
			}
			if n := strings.Count(s.log.String(), "level=WARN"); n != len(c.faults) {
				t.Errorf("%d lines in the log for %d faults: %s", n, len(c.faults), s.log)
			}
			s.goesOn(r)
		})
	}
}

func sorted(f []Fault) []Fault { return slices.Sorted(slices.Values(f)) }

// put writes the text that a damage gives a file, or removes the file.
func (s *shelf) put(path string, of func(stored) string, o stored) {
	s.t.Helper()
	if of == nil {
		return
	}
	if text := of(o); text != gone {
		s.write(path, text)
	} else {
		s.remove(path)
	}
}

// goesOn fails unless r can change and save, and the next start finds no fault.
func (s *shelf) goesOn(r *List) {
	s.t.Helper()
	more := Mark{KindKey, "main", "one more"}
	s.revoke(r, more)
	if err := r.Close(); err != nil {
		s.t.Error(err)
	}
	again, err := s.try()
	if err != nil {
		s.t.Fatalf("the next start: %v", err)
	}
	defer func() { _ = again.Close() }()
	if !again.Has(more) || again.Len() != len(kept())+1 || s.log.Len() > 0 {
		s.t.Errorf("the next start: %d in force, log %s", again.Len(), s.log)
	}
}

// TestNoSingleDamageForgetsARevocation cuts the files at each byte, flips each
// bit, and writes zeros over each place. Each time, the daemon refuses to start,
// or every acknowledged revocation is in force.
func TestNoSingleDamageForgetsARevocation(t *testing.T) {
	s := newShelf(t)
	o := s.store()
	started := map[string]int{}
	try := func(what string, at int, journal, seal string) {
		s.write(s.path, journal)
		s.write(s.seal, seal)
		r, err := s.try()
		if err != nil {
			return
		}
		started[what]++
		defer func() { _ = r.Close() }()
		for _, m := range kept() {
			if !r.Has(m) {
				t.Fatalf("%s at byte %d: it starts, and %s %q is not in force; log: %s", what, at, m.Kind, m.Value, s.log)
			}
		}
	}
	for at := range len(o.journal) {
		try("journal cut", at, o.journal[:at], o.seal)
		for bit := range 8 {
			try("journal, one bit", at, flip(o.journal, at, bit), o.seal)
		}
		for _, n := range []int{1, 16, 512} {
			try("journal, zeros", at, zeros(o.journal, at, n), o.seal)
		}
	}
	for at := 0; at < len(o.seal); at += 5 { // a start that succeeds syncs, which takes time
		try("seal cut", at, o.journal, o.seal[:at])
		try("seal, one bit", at, o.journal, flip(o.seal, at, at%8))
		try("seal, zeros", at, o.journal, zeros(o.seal, at, 16))
	}
	// Of all cuts of the journal, only the loss of the last line's end loses
	// nothing. Half a seal is enough.
	if started["journal cut"] != 1 || started["journal, one bit"] != 0 || started["journal, zeros"] != 0 {
		t.Errorf("it started that often: %v", started)
	}
}

func flip(text string, at, bit int) string {
	b := []byte(text)
	b[at] ^= 1 << bit
	return string(b)
}

func zeros(text string, at, n int) string {
	b := []byte(text)
	clear(b[at:min(len(b), at+n)])
	return string(b)
}

// TestACutUnacknowledgedLineIsDroppedAndSaid: the line is cut at each of its
// bytes, and the seal does not have its number yet.
func TestACutUnacknowledgedLineIsDroppedAndSaid(t *testing.T) {
	s := newShelf(t)
	o := s.store()
	last := strings.LastIndexByte(strings.TrimSuffix(o.journal, "\n"), '\n') + 1
	for at := last; at < len(o.journal); at += 1 + at%3 {
		s.write(s.path, o.journal[:at])
		s.write(s.seal, o.olderSeal)
		r, err := s.try()
		if err != nil {
			t.Fatalf("cut at %d: %v", at-last, err)
		}
		whole := at == len(o.journal)-1
		if r.Has(kept()[4]) != whole || r.Len() != len(kept())-1 && !whole {
			t.Errorf("cut at %d: %d in force", at-last, r.Len())
		}
		if told := len(r.Faults()) == 1 && strings.Contains(s.log.String(), "half a line"); told == (whole || at == last) {
			t.Errorf("cut at %d: told %v, log %s", at-last, told, s.log)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestFilesThatSomebodyElseTouchesAreWrittenAnew while the daemon runs, because
// the daemon has everything in memory.
func TestFilesThatSomebodyElseTouchesAreWrittenAnew(t *testing.T) {
	for name, touch := range map[string]func(*shelf){
		"journal removed":       func(s *shelf) { s.remove(s.path) },
		"journal emptied":       func(s *shelf) { s.write(s.path, "") },
		"journal cut":           func(s *shelf) { s.write(s.path, s.text()[:100]) },
		"journal appended to":   func(s *shelf) { s.write(s.path, s.text()+"x") },
		"journal replaced":      func(s *shelf) { text := s.text(); s.remove(s.path); s.write(s.path, text) },
		"seal removed":          func(s *shelf) { s.remove(s.seal) },
		"seal emptied":          func(s *shelf) { s.write(s.seal, "") },
		"both removed":          func(s *shelf) { s.remove(s.seal); s.remove(s.path) },
		"journal made a folder": func(s *shelf) { s.remove(s.path); _ = os.Mkdir(s.path, 0o700) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newShelf(t)
			s.store()
			r := s.open()
			touch(s)
			changed, err := r.Revoke(Mark{KindKey, "main", "one more"}, Origin{}, 0, time.Time{})
			if name == "journal made a folder" {
				if err == nil || !r.Unsaved() {
					t.Error("said to be saved")
				}
				s.remove(s.path)
				changed, err = r.Revoke(Mark{KindKey, "main", "another"}, Origin{}, 0, time.Time{})
				if _, err := r.Unrevoke(Mark{KindKey, "main", "another"}); err != nil {
					t.Error(err)
				}
			}
			if !changed || err != nil || r.Unsaved() {
				t.Fatalf("changed %v, %v", changed, err)
			}
			if !slices.Equal(r.Faults(), []Fault{FaultChanged}) {
				t.Errorf("told: %q", r.Faults())
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
			again := s.open()
			if again.Len() != len(kept())+1 || s.log.Len() > 0 {
				t.Errorf("%d in force after a restart; log: %s", again.Len(), s.log)
			}
		})
	}
}

// TestWhatTheErrorSaysToDoHelps follows the advice of the error: after the
// damaged line and the seal are removed, the revocations of the other lines are
// in force.
func TestWhatTheErrorSaysToDoHelps(t *testing.T) {
	followed := 0
	for _, c := range slices.Concat(endings(), middles(t), heads(t)) {
		s := newShelf(t)
		o := s.store()
		s.put(s.path, c.journal, o)
		s.put(s.seal, c.seal, o)
		for range 3 { // a swap damages two lines
			r, err := s.try()
			if err == nil {
				if r.Len() < len(kept())-3 {
					t.Errorf("%s: only %d are in force", c.name, r.Len())
				}
				_ = r.Close()
				break
			}
			_, advice, damaged := strings.Cut(err.Error(), " is damaged in line ")
			if !damaged || !strings.Contains(advice, "remove that line and "+sealName) {
				break
			}
			var number int
			if _, err := fmt.Sscan(strings.TrimSuffix(strings.Fields(advice)[0], ":"), &number); err != nil {
				t.Fatal(err)
			}
			lines := slices.Collect(strings.Lines(s.text()))
			s.write(s.path, strings.Join(slices.Delete(lines, number-1, number), ""))
			_ = os.Remove(s.seal)
			if followed++; number == 1 {
				t.Errorf("%s: the head is to be removed", c.name)
			}
			if _, err := s.try(); err != nil && !strings.Contains(err.Error(), "damaged in line") {
				t.Errorf("%s: the advice leads to: %v", c.name, err)
			}
		}
	}
	if followed < 20 {
		t.Errorf("the advice was given %d times only", followed)
	}
}
