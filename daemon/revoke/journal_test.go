package revoke

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// shelf is a journal's place, from which revocations are read again and again.
type shelf struct {
	t    *testing.T
	path string
	now  time.Time
}

func newShelf(t *testing.T) *shelf {
	return &shelf{t, filepath.Join(t.TempDir(), "revocations.journal"), time.Now()}
}

func (s *shelf) clock() time.Time        { return s.now }
func (s *shelf) advance(d time.Duration) { s.now = s.now.Add(d) }

// open reads the journal, as a start does.
func (s *shelf) open() *List {
	s.t.Helper()
	r, err := Open(s.path, s.clock)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if err := r.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			s.t.Error(err)
		}
	})
	return r
}

func (s *shelf) text() string {
	s.t.Helper()
	text, err := os.ReadFile(s.path)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}

func (s *shelf) write(text string) {
	s.t.Helper()
	if err := os.WriteFile(s.path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// revoke revokes m until r's retention ends.
func (s *shelf) revoke(r *List, m Mark) {
	s.t.Helper()
	if _, err := r.Revoke(m, 0, time.Time{}); err != nil {
		s.t.Error(err)
	}
}

func TestRevocationsSurviveARestart(t *testing.T) {
	s := newShelf(t)
	r := s.open()
	marks := []Mark{
		{KindToken, "main", SignedDigest([]byte("a.b.c"))},
		{KindSession, "main", "s \"1\"\n"},
		{KindSubject, "main", "<ada>"},
		{KindKey, "other", "kid"},
	}
	for _, m := range marks {
		s.revoke(r, m)
	}
	s.revoke(r, Mark{KindSession, "main", "taken back"})
	if _, err := r.Unrevoke(Mark{KindSession, "main", "taken back"}); err != nil {
		t.Error(err)
	}
	for range 3 { // the file as appended to, as read, as written anew
		again := s.open()
		for _, m := range marks {
			was, _ := r.find(m)
			if is, ok := again.find(m); !ok || is != was {
				t.Errorf("%s: %v, want %v", m.Kind, is, was)
			}
		}
		if n := again.counts.all.Load(); n != int64(len(marks)) {
			t.Errorf("%d in force, want %d", n, len(marks))
		}
		s.revoke(again, Mark{KindKey, "other", "a change"})
		if _, err := again.Unrevoke(Mark{KindKey, "other", "a change"}); err != nil {
			t.Error(err)
		}
	}
}

func TestATornLastLineIsAChangeThatWasNeverAcknowledged(t *testing.T) {
	s := newShelf(t)
	r := s.open()
	for i := range 3 {
		s.revoke(r, Mark{KindSession, "main", fmt.Sprint(i)})
	}
	whole := s.text()
	last := strings.LastIndexByte(strings.TrimSuffix(whole, "\n"), '\n') + 1
	for end := last; end < len(whole); end += 7 {
		s.write(whole[:end])
		again := s.open()
		if n := again.counts.all.Load(); n != 2 {
			t.Fatalf("cut at %d: %d in force, want 2", end, n)
		}
		s.revoke(again, Mark{KindSession, "main", "1"}) // in force, and saved
		s.revoke(again, Mark{KindSession, "main", "new"})
		if n := s.open().counts.all.Load(); n != 3 {
			t.Fatalf("cut at %d, then one more: %d in force, want 3", end, n)
		}
	}
}

func TestADamagedJournalRefusesTheStartAndNamesTheLine(t *testing.T) {
	const good = `{"op":"revoke","kind":"session","project":"main","value":"s","at":1,"until":99999999999}`
	for name, line := range map[string]string{
		"not json":        "hello",
		"empty":           "",
		"zeros":           "\x00\x00\x00\x00",
		"cut":             good[:40],
		"two in one":      good + good,
		"trailing":        good + " x",
		"blank":           good + " ",
		"unknown op":      strings.Replace(good, "revoke", "renounce", 1),
		"unknown kind":    strings.Replace(good, "session", "sessioo", 1),
		"no kind":         `{"op":"revoke","project":"main","value":"s"}`,
		"no project":      `{"op":"revoke","kind":"session","value":"s"}`,
		"no value":        `{"op":"unrevoke","kind":"session","project":"main"}`,
		"unknown member":  strings.Replace(good, "until", "untik", 1),
		"wrong type":      strings.Replace(good, "99999999999", `"x"`, 1),
		"longest of what": `{"op":"longest","kind":"session","until":5}`,
		"issued where":    `{"op":"issued","at":5}`,
		"issued of what":  `{"op":"issued","kind":"session","project":"main","at":5}`,
		"never issued":    `{"op":"issued","project":"main"}`,
		"negative":        `{"op":"longest","until":-5}`,
		"array":           `[]`,
		"null":            `null`,
	} {
		t.Run(name, func(t *testing.T) {
			s := newShelf(t)
			s.write(good + "\n" + line + "\n" + good + "\n")
			_, err := Open(s.path, s.clock)
			if err == nil || !strings.Contains(err.Error(), "line 2") || !strings.Contains(err.Error(), s.path) {
				t.Errorf("error %v; want the file and line 2", err)
			}
		})
	}
}

func TestAJournalThatCannotBeReadRefusesTheStart(t *testing.T) {
	s := newShelf(t)
	if err := os.Mkdir(s.path, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(s.path, s.clock); err == nil {
		t.Error("a folder in its place is taken for no revocations")
	}
}

// TestWhatCannotBeSavedIsInForceAndSavedWhenRepeated mends the state directory
// after two failures.
func TestWhatCannotBeSavedIsInForceAndSavedWhenRepeated(t *testing.T) {
	s := newShelf(t)
	dir := filepath.Join(filepath.Dir(s.path), "missing")
	s.path = filepath.Join(dir, "revocations.journal")
	r := s.open()
	m, other := Mark{KindSession, "main", "s"}, Mark{KindKey, "main", "k"}
	for i, want := range []bool{true, false} {
		if changed, err := r.Revoke(m, 0, time.Time{}); changed != want || !errors.Is(err, ErrNotSaved) {
			t.Errorf("%d: changed %v, %v", i, changed, err)
		}
	}
	if changed, err := r.Revoke(other, 0, time.Time{}); !changed || !errors.Is(err, ErrNotSaved) {
		t.Errorf("another: changed %v, %v", changed, err)
	}
	if !r.has(m) || !r.has(other) {
		t.Error("not in force")
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if changed, err := r.Revoke(m, 0, time.Time{}); changed || err != nil {
		t.Errorf("repeated on a mended disk: changed %v, %v", changed, err)
	}
	if again := s.open(); !again.has(m) || !again.has(other) {
		t.Error("not everything is saved")
	}
}

func TestTheJournalIsWrittenAnewWhenMostOfItIsHistory(t *testing.T) {
	s := newShelf(t)
	r := s.open()
	kept := Mark{KindKey, "main", "kept"}
	s.revoke(r, kept)
	r.journal.lines = slack - 5 // as if it had been written; each change is synced, which takes its time
	s.write(strings.Repeat("{\"op\":\"longest\"}\n", r.journal.lines-2) + s.text())
	most := 0
	for i := range 10 {
		m := Mark{KindSession, "main", fmt.Sprint(i)}
		s.revoke(r, m)
		if _, err := r.Unrevoke(m); err != nil {
			t.Fatal(err)
		}
		most = max(most, r.journal.lines)
	}
	if most > slack+10 || most < slack || r.journal.lines > 20 {
		t.Errorf("up to %d lines, then %d", most, r.journal.lines)
	}
	if lines := strings.Count(s.text(), "\n"); lines != r.journal.lines {
		t.Errorf("%d lines in the file, %d are counted", lines, r.journal.lines)
	}
	if again := s.open(); !again.has(kept) || again.counts.all.Load() != 1 {
		t.Error("something was lost or came back")
	}
}

// TestLongLivedTokensAreNotForgottenByARestart has one seen after the
// revocation that covers it.
func TestLongLivedTokensAreNotForgottenByARestart(t *testing.T) {
	s := newShelf(t)
	r := s.open()
	m := Mark{KindSession, "main", "s"}
	s.revoke(r, m)
	now := s.now
	r.Note(&Token{Project: "main", Issued: now.Unix(), Expires: now.Add(30 * 24 * time.Hour).Unix(), Verified: now})
	s.advance(29 * 24 * time.Hour)
	if !s.open().has(m) {
		t.Error("forgotten while a covered token can be alive")
	}
	s.advance(2 * 24 * time.Hour)
	if s.open().has(m) {
		t.Error("kept for ever")
	}
}

// TestARevocationRepeatedIsKeptForTokensIssuedSince: sessions and users go on
// getting tokens while they are revoked.
func TestARevocationRepeatedIsKeptForTokensIssuedSince(t *testing.T) {
	for _, kind := range []Kind{KindSession, KindSubject} {
		s := newShelf(t)
		r := s.open()
		m := Mark{kind, "main", "s"}
		s.revoke(r, m)
		s.advance(minRetention - time.Minute)
		if _, err := r.Revoke(m, 0, time.Time{}); err != nil {
			t.Fatal(err)
		}
		s.advance(time.Hour)
		if !s.open().has(m) {
			t.Errorf("%s: forgotten while tokens issued before the second time can be alive", kind)
		}
		s.advance(minRetention)
		if s.open().has(m) {
			t.Errorf("%s: kept for ever", kind)
		}
	}
}

func TestTheJournalIsPrivateAndHoldsNoToken(t *testing.T) {
	s := newShelf(t)
	r := s.open()
	token := "header.payload.signature"
	s.revoke(r, Mark{KindToken, "main", SignedDigest([]byte(token))})
	info, err := os.Stat(s.path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if text := s.text(); strings.Contains(text, "payload") {
		t.Error("it holds the token")
	}
	for text := range strings.Lines(s.text()) {
		if !json.Valid([]byte(text)) {
			t.Errorf("not JSON: %s", text)
		}
	}
}
