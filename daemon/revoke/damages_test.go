package revoke

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// damage is one damage to the files, and how a start reacts. The start refuses
// with these words, or everything is in force and it reports these faults.
type damage struct {
	name    string
	journal func(o stored) string // the journal's text after the damage; nil: unchanged
	seal    func(o stored) string // the seal's text after the damage; nil: unchanged
	refuses string
	faults  []Fault
}

// gone stands for the text of a file that does not exist.
const gone = "\x00gone"

func text(text string) func(stored) string { return func(stored) string { return text } }

func after(more string) func(stored) string {
	return func(o stored) string { return o.journal + more }
}

func change(change func([]string) []string) func(stored) string {
	return func(o stored) string { return o.from(change) }
}

// other returns a journal of another directory, with as many lines.
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

// signed returns a further line for the stored journal, with its sum, as line n
// after the head.
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
