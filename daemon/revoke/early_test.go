package revoke

import (
	"slices"
	"strings"
	"testing"
)

// earlyLine is one line of a journal of version 1, as a daemon of that version
// wrote it.
const earlyLine = `{"op":"revoke","kind":"session","project":"main","value":"s","at":1764000000,"until":99999999999}`

// TestAJournalOfTheEarlierVersionIsReadAndWrittenAnew with all its content.
func TestAJournalOfTheEarlierVersionIsReadAndWrittenAnew(t *testing.T) {
	const whole = `{"op":"longest","kind":"","project":"","value":"","until":3600}
{"op":"revoke","kind":"token","project":"main","value":"5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef","at":1764000000,"until":99999999999}
{"op":"revoke","kind":"subject","project":"main","value":"\u003cada\u003e","at":99999999998,"until":99999999999}
{"op":"revoke","kind":"session","project":"main","value":"taken back","at":1764000000,"until":99999999999}
{"op":"unrevoke","kind":"session","project":"main","value":"taken back"}
{"op":"issued","kind":"","project":"main","value":"","at":1764000001}
{"op":"revoke","kind":"key","project":"main","value":"kid","at":1764000000}
`
	const half = "{\"op\":\"revoke\",\"kind\":\"session\",\"project\":\"main\",\"val"
	for _, c := range []struct {
		name, text string
		faults     []Fault
	}{
		{"whole", whole, nil},
		{"without its last byte", strings.TrimSuffix(whole, "\n"), nil},
		{"with half a line", whole + half, []Fault{FaultHalfLine}},
		{"with a byte of a line", whole + "{", []Fault{FaultHalfLine}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShelf(t)
			s.write(s.path, c.text)
			for n, faults := range [][]Fault{c.faults, nil} { // the first start reads version 1, the second the new version
				r := s.open()
				if r.Len() != 3 || !r.Has(Mark{KindSubject, "main", "<ada>"}) || !r.Has(Mark{KindKey, "main", "kid"}) {
					t.Errorf("start %d: %d in force, want 3", n, r.Len())
				}
				if r.longest.Load() != 3600 || r.issuedIn("main").Load() != 1764000001 {
					t.Errorf("start %d: what was learnt is lost", n)
				}
				if !slices.Equal(r.Faults(), faults) {
					t.Errorf("start %d: faults %q, want %q", n, r.Faults(), faults)
				}
				if !strings.HasPrefix(s.text(), headWord+" 2 ") || s.read(s.seal) == "" {
					t.Errorf("start %d: not of the new version", n)
				}
				if err := r.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestADamagedJournalOfTheEarlierVersionRefusesTheStart(t *testing.T) {
	for name, line := range map[string]string{
		"not json":        "hello",
		"empty":           "",
		"zeros":           "\x00\x00\x00\x00",
		"cut":             earlyLine[:40],
		"two in one":      earlyLine + earlyLine,
		"trailing":        earlyLine + " x",
		"blank":           earlyLine + " ",
		"unknown op":      strings.Replace(earlyLine, "revoke", "renounce", 1),
		"unknown kind":    strings.Replace(earlyLine, "session", "sessioo", 1),
		"no kind":         `{"op":"revoke","project":"main","value":"s"}`,
		"no project":      `{"op":"revoke","kind":"session","value":"s"}`,
		"no value":        `{"op":"unrevoke","kind":"session","project":"main"}`,
		"unknown member":  strings.Replace(earlyLine, "until", "untik", 1),
		"member twice":    strings.Replace(earlyLine, `"value":"s"`, `"value":"s","value":"t"`, 1),
		"wrong type":      strings.Replace(earlyLine, "99999999999", `"x"`, 1),
		"longest of what": `{"op":"longest","kind":"session","until":5}`,
		"negative":        `{"op":"longest","until":-5}`,
		"issued where":    `{"op":"issued","at":5}`,
		"issued of what":  `{"op":"issued","kind":"session","project":"main","at":5}`,
		"never issued":    `{"op":"issued","project":"main"}`,
		"array":           `[]`,
		"null":            `null`,
	} {
		for place, text := range map[string]string{
			"middle":       earlyLine + "\n" + line + "\n" + earlyLine + "\n",
			"end":          earlyLine + "\n" + line + "\n",
			"without end":  earlyLine + "\n" + line,
			"zeros behind": earlyLine + "\n" + line + "\x00",
		} {
			if place == "without end" && (line == "" || line == earlyLine[:40]) {
				continue // an empty line, and a line as a crash leaves it
			}
			t.Run(name+" "+place, func(t *testing.T) {
				s := newShelf(t)
				s.write(s.path, text)
				_, err := s.try()
				if err == nil || !strings.Contains(err.Error(), "damaged in line 2") || !strings.Contains(err.Error(), s.path) {
					t.Errorf("error %v; want the file and line 2", err)
				}
				if s.text() != text {
					t.Error("the file was changed")
				}
			})
		}
	}
}
