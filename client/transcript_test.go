package client_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// step is one line of a transcript; see testdata/transcripts/README.md.
type step struct {
	line int
	verb string // the first word
	rest string // the other words, with repetitions written out
}

// words lists all steps, so that a misspelt step fails in every case.
var words = []string{
	"needs", "call", "cancel", "close", "accept", ">", "<", "<<", "cut", "gone", "down", "up", "answer",
	"include", "on", "clock", "wall", "until", // of keeping
}

var repetition = regexp.MustCompile(`\{([0-9]+)\*(.)\}`)

func readTranscript(path string) ([]step, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var steps []step
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		verb, rest, _ := strings.Cut(line, " ")
		known := false
		for _, w := range words {
			known = known || w == verb
		}
		if !known {
			return nil, fmt.Errorf("%s:%d: no step is called %q", path, n, verb)
		}
		rest = repetition.ReplaceAllStringFunc(rest, func(m string) string {
			part := repetition.FindStringSubmatch(m)
			count, _ := strconv.Atoi(part[1])
			return strings.Repeat(part[2], count)
		})
		if verb != "include" {
			steps = append(steps, step{n, verb, rest})
			continue
		}
		included, err := readTranscript(filepath.Join(filepath.Dir(path), rest))
		if err != nil {
			return nil, err
		}
		steps = append(steps, included...)
	}
	return steps, lines.Err()
}

// needs reports whether the transcript needs clients that can do this.
func needs(steps []step, what string) bool {
	return slices.ContainsFunc(steps, func(s step) bool { return s.verb == "needs" && s.rest == what })
}

// TestTranscripts plays the transcripts that clients in other languages play
// too.
func TestTranscripts(t *testing.T) {
	playAll(t, "testdata/transcripts/*.txt", 25, false)
}

// TestTranscriptsOfKeeping plays the transcripts about answers that are kept in
// memory.
func TestTranscriptsOfKeeping(t *testing.T) {
	playAll(t, "testdata/transcripts/keeping/*.txt", 50, true)
}

func playAll(t *testing.T, pattern string, least int, keeps bool) {
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) < least {
		t.Fatalf("found %d transcripts, expected at least %d (error: %v)", len(paths), least, err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".txt")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			steps, err := readTranscript(path)
			if err != nil {
				t.Fatal(err)
			}
			if len(steps) < 2 {
				t.Fatal("a transcript without steps shows nothing")
			}
			if !needs(steps, "pipelining") { // here each call has a connection of its own
				play(t, path, steps, keeps)
			}
		})
	}
}

// TestTranscriptsCanFail plays transcripts that are wrong in one place each:
// a player that lets them pass would prove nothing about the right ones.
func TestTranscriptsCanFail(t *testing.T) {
	for name, text := range map[string]string{
		"other outcome":      "call a verify token=a.b.c\naccept\n> @1 VERIFY deadline=* a.b.c\n< @1 NO expired\nanswer a unknown cause=broken",
		"other reason":       "call a verify token=a.b.c\naccept\n> @1 VERIFY deadline=* a.b.c\n< @1 NO expired\nanswer a rejected reason=revoked",
		"other request":      "call a verify token=a.b.c\naccept\n> @1 VERIFY deadline=* a.b.d",
		"missing field":      "call a verify token=a.b.c\naccept\n> @1 VERIFY project=main deadline=* a.b.c",
		"unexpected field":   "call a verify token=a.b.c\naccept\n> @1 VERIFY a.b.c",
		"call left over":     "call a verify deadline=20 token=a.b.c\naccept\n> @1 VERIFY deadline=* a.b.c",
		"uncalled answer":    "answer a rejected reason=expired",
		"connection ignored": "call a verify deadline=500 token=a.b.c\nanswer a unknown cause=timeout",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "case.txt")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			steps, err := readTranscript(path)
			if err != nil {
				t.Fatal(err)
			}
			p := newPlayer(t, false)
			defer p.end()
			if err := p.play(steps); err == nil {
				t.Error("this transcript must fail, and did not")
			}
		})
	}
}
