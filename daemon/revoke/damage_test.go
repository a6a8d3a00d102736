package revoke

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// kept are the revocations that a stored journal holds.
func kept() []Mark {
	return []Mark{
		{KindToken, "main", SignedDigest([]byte("a.b.c"))},
		{KindSession, "main", "s \"1\"\n"},
		{KindSubject, "main", "<ada> \u00e9\u4e16"},
		{KindKey, "other", "kid"},
		{KindSession, "main", "the last"},
	}
}

// stored is what a daemon left behind: the files' text, and what they were
// before its last change.
type stored struct{ journal, seal, olderJournal, olderSeal string }

// lines are the journal's lines with their ends; the first is the head.
func (o stored) lines() []string { return slices.Collect(strings.Lines(o.journal)) }

// from is the journal with its lines changed.
func (o stored) from(change func(lines []string) []string) string {
	return strings.Join(change(o.lines()), "")
}

// store fills s by a daemon's run, and returns what is there.
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

// wantKept fails unless everything of kept is in force.
func wantKept(t *testing.T, r *List) {
	t.Helper()
	for _, m := range kept() {
		if !r.has(m) {
			t.Errorf("%s %q is not in force", m.Kind, m.Value)
		}
	}
	if r.Len() != len(kept()) {
		t.Errorf("%d are in force, want %d", r.Len(), len(kept()))
	}
}

// damage is one thing that can happen to the files, and what a start makes of
// it: it refuses with these words, or it starts with everything in force and
// says these faults.
type damage struct {
	name    string
	journal func(o stored) string // its text then; nil: as it was
	seal    func(o stored) string // likewise
	refuses string
	faults  []Fault
}

// gone stands for a file that is not there.
const gone = "\x00gone"

func text(text string) func(stored) string { return func(stored) string { return text } }

func after(more string) func(stored) string {
	return func(o stored) string { return o.journal + more }
}

func change(change func([]string) []string) func(stored) string {
	return func(o stored) string { return o.from(change) }
}

// other is a journal of another directory, with as many lines.
func other(t *testing.T) stored { return newShelf(t).store() }

func endings() []damage {
	return []damage{
		{name: "nothing", faults: nil},
		{name: "the last byte lost", journal: func(o stored) string { return o.journal[:len(o.journal)-1] }},
		{name: "the last two bytes lost", journal: func(o stored) string { return o.journal[:len(o.journal)-2] }, refuses: "line 6"},
		{name: "the last line lost", journal: change(func(l []string) []string { return l[:5] }), refuses: "had been acknowledged"},
		{name: "all lines but the head lost", journal: change(func(l []string) []string { return l[:1] }), refuses: "had been acknowledged"},
		{name: "emptied", journal: text(""), refuses: "is empty"},
		{name: "emptied, without a seal", journal: text(""), seal: text(gone), refuses: "is empty"},
		{name: "removed", journal: text(gone), refuses: "is gone"},
		{name: "removed, the seal damaged", journal: text(gone), seal: text(""), refuses: "is gone"},
		{name: "an older copy", journal: func(o stored) string { return o.olderJournal }, refuses: "an older copy"},
		{name: "one zero byte more", journal: after("\x00"), refuses: "line 7"},
		{name: "a page of zeros more", journal: after(strings.Repeat("\x00", 4096)), refuses: "line 7"},
		{name: "the last line zeros", journal: change(func(l []string) []string { return append(l[:5], strings.Repeat("\x00", len(l[5]))) }), refuses: "line 6"},
		{name: "bytes more", journal: after("\xff\xfe\x01"), refuses: "line 7"},
		{name: "a line of bytes more", journal: after("\xff\xfe\x01\n"), refuses: "line 7"},
		{name: "text more", journal: after("hello"), refuses: "line 7"},
		{name: "a line of text more", journal: after("hello\n"), refuses: "line 7"},
		{name: "an empty line more", journal: after("\n"), refuses: "line 7"},
		{name: "a blank more", journal: after(" "), refuses: "line 7"},
		{name: "a line without number and sum more", journal: after("{\"op\":\"revoke\",\"kind\":\"key\",\"project\":\"main\",\"value\":\"k\"}\n"), refuses: "line 7"},
		{name: "half a line of a later number", journal: after("9 01234567 {\"op\":\"rev"), refuses: "line 7"},
		{name: "half a line, whole JSON, wrong sum", journal: after("7 01234567 {\"op\":\"longest\"}"), refuses: "line 7"},
		{name: "half a line with a zero byte", journal: after("7 01234567 {\"op\":\"rev\x00"), refuses: "line 7"},
		{name: "half a line of the next number", journal: after("7 01234567 {\"op\":\"rev"), faults: []Fault{FaultHalfLine}},
		{name: "half a line, cut in a character", journal: after("7 01234567 {\"op\":\"revoke\",\"value\":\"\xe4\xb8"), faults: []Fault{FaultHalfLine}},
		{name: "half a number", journal: after("7"), faults: []Fault{FaultHalfLine}},
		{name: "a line longer than any", journal: after("7 01234567 {\"op\":\"" + strings.Repeat("x", maxLine) + "\n"), refuses: "longer than any"},
	}
}

func middles(t *testing.T) []damage {
	foreign := other(t)
	return []damage{
		{name: "lines swapped", journal: change(func(l []string) []string { l[2], l[3] = l[3], l[2]; return l }), refuses: "line 3"},
		{name: "a line twice", journal: change(func(l []string) []string { return slices.Insert(l, 3, l[2]) }), refuses: "line 4"},
		{name: "the last line twice", journal: change(func(l []string) []string { return append(l, l[5]) }), refuses: "line 7"},
		{name: "a line missing", journal: change(func(l []string) []string { return slices.Delete(l, 2, 3) }), refuses: "lines are missing"},
		{name: "the first line missing", journal: change(func(l []string) []string { return slices.Delete(l, 1, 2) }), refuses: "lines are missing"},
		{name: "a line empty", journal: change(func(l []string) []string { l[3] = "\n"; return l }), refuses: "line 4"},
		{name: "a line zeros", journal: change(func(l []string) []string { l[3] = strings.Repeat("\x00", len(l[3])-1) + "\n"; return l }), refuses: "line 4"},
		{name: "a line's end missing", journal: change(func(l []string) []string { l[3] = strings.TrimSuffix(l[3], "\n"); return l }), refuses: "line 4"},
		{name: "a value changed", journal: func(o stored) string { return strings.Replace(o.journal, "kid", "kit", 1) }, refuses: "line 5"},
		{name: "a blank inside a line", journal: func(o stored) string { return strings.Replace(o.journal, `{"op"`, `{ "op"`, 1) }, refuses: "line 2"},
		{name: "a line of another directory", journal: change(func(l []string) []string { l[3] = foreign.lines()[3]; return l }), refuses: "line 4"},
		{name: "ends as on Windows", journal: func(o stored) string { return strings.ReplaceAll(o.journal, "\n", "\r\n") }, refuses: "line 1"},
		{name: "all of it twice", journal: func(o stored) string { return o.journal + o.journal }, refuses: "line 7"},
		{name: "a kind of change that is not known", journal: func(o stored) string { return o.journal + signed(o, 6, `{"op":"renounce"}`) }, refuses: "line 7"},
		{name: "a member that is not known", journal: func(o stored) string {
			return o.journal + signed(o, 6, `{"op":"revoke","kind":"key","project":"main","value":"x","why":"x"}`)
		}, refuses: "line 7"},
		{name: "a change without a value", journal: func(o stored) string {
			return o.journal + signed(o, 6, `{"op":"revoke","kind":"key","project":"main"}`)
		}, refuses: "line 7"},
		{name: "a number written otherwise", journal: func(o stored) string {
			return o.journal + strings.Replace(signed(o, 6, `{"op":"longest"}`), "7 ", "07 ", 1)
		}, refuses: "line 7"},
	}
}

// signed is one more line of the stored journal, with its sum, n lines after the
// head.
func signed(o stored, n uint64, change string) string {
	id, seq, _ := parseHead(strings.TrimSuffix(o.lines()[0], "\n"))
	return fmt.Sprintf("%d %s %s\n", seq+n, appendSum(nil, id, seq+n, []byte(change)), change)
}

func heads(t *testing.T) []damage {
	foreign := other(t)
	return []damage{
		{name: "the head missing", journal: change(func(l []string) []string { return l[1:] }), refuses: "line 1"},
		{name: "the head cut", journal: func(o stored) string { return o.journal[:20] }, refuses: "line 1"},
		{name: "the head without its end", journal: func(o stored) string { return strings.TrimSuffix(o.lines()[0], "\n") }, refuses: "line 1"},
		{name: "the head twice", journal: change(func(l []string) []string { return append(l[:1], l...) }), refuses: "line 2"},
		{name: "a byte order mark", journal: func(o stored) string { return "\ufeff" + o.journal }, refuses: "line 1"},
		{name: "of a newer version", journal: func(o stored) string { return strings.Replace(o.journal, headWord+" 2", headWord+" 3", 1) }, refuses: "of a newer neonauthd"},
		{name: "of an earlier version", journal: text("{\"op\":\"longest\",\"until\":5}\n"), refuses: "of an earlier version"},
		{name: "another file's text", journal: text("{\"url\":\"https://api.example.com\",\"body\":\"{}\"}"), refuses: "of an earlier version"},
		{name: "another file's text, without a seal", journal: text("{\"url\":\"https://api.example.com\",\"body\":\"{}\"}"), seal: text(gone), refuses: "line 1"},
		{name: "zeros only", journal: text(strings.Repeat("\x00", 500)), refuses: "line 1"},
		{name: "of another directory", journal: text(foreign.journal), refuses: "different state directories"},
	}
}

func seals(t *testing.T) []damage {
	foreign := other(t)
	slot := func(n int, with string) func(stored) string {
		return func(o stored) string { return o.seal[:n*sealSlot] + with + o.seal[n*sealSlot+len(with):] }
	}
	return []damage{
		{name: "the seal removed", seal: text(gone), faults: []Fault{FaultNoSeal}},
		{name: "the seal emptied", seal: text(""), refuses: sealName + " is damaged"},
		{name: "the seal longer", seal: func(o stored) string { return o.seal + "x" }, refuses: sealName + " is damaged"},
		{name: "the seal zeros", seal: text(strings.Repeat("\x00", 2*sealSlot)), refuses: sealName + " is damaged"},
		{name: "the seal text", seal: text("hello\n"), refuses: sealName + " is damaged"},
		{name: "the seal's first slot zeros", seal: slot(0, "\x00\x00\x00\x00"), faults: []Fault{FaultHalfSeal}},
		{name: "the seal's second slot zeros", seal: slot(1, "\x00\x00\x00\x00"), faults: []Fault{FaultHalfSeal}},
		{name: "the seal cut in two", seal: func(o stored) string { return o.seal[:sealSlot] }, faults: []Fault{FaultHalfSeal}},
		{name: "the seal of another directory", seal: text(foreign.seal), refuses: "different state directories"},
		{name: "an older seal, as a crash leaves it", seal: func(o stored) string { return o.olderSeal }},
		{name: "no seal and a line missing, as an operator leaves it", seal: text(gone), faults: []Fault{FaultNoSeal, FaultGap},
			journal: func(o stored) string { return o.journal + signed(o, 8, `{"op":"longest","until":5}`) }},
		{name: "no seal and a line twice", seal: text(gone), journal: change(func(l []string) []string { return slices.Insert(l, 3, l[2]) }), refuses: "line 4"},
		{name: "no seal and a half line", seal: text(gone), journal: after("7 0123"), faults: []Fault{FaultNoSeal, FaultHalfLine}},
		{name: "the version before put back, with its seal", journal: func(o stored) string { return o.olderJournal + o.lines()[5] }, seal: func(o stored) string { return o.olderSeal }},
	}
}

// TestWhatDamageToTheJournalDoes goes through everything that can be imagined to
// happen to the files.
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

// put writes, or removes, what a damage makes of a file.
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

// goesOn shows that r can change and save, and that the next start finds nothing
// wrong any more.
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
	if !again.has(more) || again.Len() != len(kept())+1 || s.log.Len() > 0 {
		s.t.Errorf("the next start: %d in force, log %s", again.Len(), s.log)
	}
}

// TestNoSingleDamageForgetsARevocation cuts the files at each byte, flips each
// bit of them and lays zeros over each place: the daemon refuses to start, or
// everything that was acknowledged is in force.
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
			if !r.has(m) {
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
	for at := 0; at < len(o.seal); at += 5 { // a start that succeeds syncs, which takes its time
		try("seal cut", at, o.journal, o.seal[:at])
		try("seal, one bit", at, o.journal, flip(o.seal, at, at%8))
		try("seal, zeros", at, o.journal, zeros(o.seal, at, 16))
	}
	// The line without its end is the one cut that costs nothing; half a seal
	// is enough.
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

// TestACutUnacknowledgedLineIsDroppedAndSaid at each byte of it: the seal does
// not know of it yet.
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
		if r.has(kept()[4]) != whole || r.Len() != len(kept())-1 && !whole {
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

// TestFilesThatSomebodyElseTouchesAreWrittenAnew while the daemon runs: memory
// knows what is in force.
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
			changed, err := r.Revoke(Mark{KindKey, "main", "one more"}, 0, time.Time{})
			if name == "journal made a folder" {
				if err == nil || !r.Unsaved() {
					t.Error("said to be saved")
				}
				s.remove(s.path)
				changed, err = r.Revoke(Mark{KindKey, "main", "another"}, 0, time.Time{})
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
