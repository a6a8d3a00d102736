package revoke

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/clock"
	"github.com/neonauthd/neonauthd/daemon/clock/clocktest"
	"github.com/neonauthd/neonauthd/daemon/statedir"
	"github.com/neonauthd/neonauthd/internal/e2e"
)

// retention is the retention of a shelf, unless the test sets another.
const retention = 24 * time.Hour

// shelf is a state directory from which a test opens lists again and again.
type shelf struct {
	t     testing.TB
	dir   string
	path  string // of the journal
	seal  string
	clock *clocktest.Clock
	wall  *clock.Wall   // of the list opened last
	kept  time.Duration // the retention
	// lifetimes are the session lifetimes of the projects.
	lifetimes map[string]time.Duration
	// state is the directory as this process has opened it; all lists use it.
	state *statedir.Dir
	stamp func(Mark, uint64) uint64 // of a host in a fleet
	log   *bytes.Buffer             // of the list opened last
}

func newShelf(t testing.TB) *shelf {
	dir := filepath.Join(t.TempDir(), "state")
	s := &shelf{t: t, dir: dir, path: filepath.Join(dir, journalName), seal: filepath.Join(dir, sealName), clock: clocktest.New(), kept: retention}
	s.state = s.openState(dir)
	return s
}

func (s *shelf) now() time.Time          { return s.clock.Now() }
func (s *shelf) advance(d time.Duration) { s.clock.Advance(d) }

// try opens a list, as a start does.
func (s *shelf) try() (*List, error) {
	s.t.Helper()
	s.log = &bytes.Buffer{}
	s.wall = &clock.Wall{}
	l, err := Open(s.state, Options{Now: s.now, Wall: s.wall, Retention: s.kept, Stamp: s.stamp, Log: slog.New(slog.NewTextHandler(s.log, nil))})
	if err == nil {
		l.SetSessionLifetimes(s.lifetimes)
	}
	return l, err
}

func (s *shelf) openState(path string) *statedir.Dir {
	s.t.Helper()
	dir, err := statedir.Open(path)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = dir.Close() })
	return dir
}

// open is try, and fails the test on an error. The list is closed when the test
// ends.
func (s *shelf) open() *List {
	s.t.Helper()
	r, err := s.try()
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = r.Close() })
	return r
}

// hear lets an upstream tell the time. Its clock differs from the host's by off.
func (s *shelf) hear(off time.Duration) {
	s.wall.Hear(clock.Testimony{Date: s.now().Round(0).Add(off), Asked: s.now(), Answered: s.now()})
}

// swept opens a list as a start does, lets it hear an upstream, and sweeps it.
func (s *shelf) swept() *List {
	s.t.Helper()
	r := s.open()
	s.hear(0)
	r.Sweep()
	return r
}

func (s *shelf) text() string { return s.read(s.path) }

func (s *shelf) read(path string) string {
	s.t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}

func (s *shelf) write(path, text string) {
	s.t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *shelf) remove(path string) {
	s.t.Helper()
	if err := os.Remove(path); err != nil {
		s.t.Fatal(err)
	}
}

// revoke revokes m until r's retention ends.
func (s *shelf) revoke(r *List, m Mark) {
	s.t.Helper()
	if _, err := r.Revoke(m, Origin{}, 0, time.Time{}); err != nil {
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
	for range 3 { // the file with appended lines, after a load, and written anew
		again := s.open()
		for _, m := range marks {
			was, _ := r.find(m)
			if is, ok := again.find(m); !ok || is != was {
				t.Errorf("%s: %v, want %v", m.Kind, is, was)
			}
		}
		if n := again.Len(); n != len(marks) {
			t.Errorf("%d in force, want %d", n, len(marks))
		}
		s.revoke(again, Mark{KindKey, "other", "a change"})
		if _, err := again.Unrevoke(Mark{KindKey, "other", "a change"}); err != nil {
			t.Error(err)
		}
	}
}

func TestAJournalThatCannotBeReadRefusesTheStart(t *testing.T) {
	s := newShelf(t)
	if err := os.Mkdir(s.path, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := s.try(); err == nil {
		t.Error("a folder in its place is taken for no revocations")
	}
}

// block replaces the state directory by a file, so that nothing can be written.
// mend undoes this.
func (s *shelf) block() (mend func()) {
	s.t.Helper()
	if err := os.Rename(s.dir, s.dir+"-away"); err != nil {
		s.t.Fatal(err)
	}
	s.write(s.dir, "")
	return func() {
		s.t.Helper()
		s.remove(s.dir)
		if err := os.Rename(s.dir+"-away", s.dir); err != nil {
			s.t.Fatal(err)
		}
	}
}

// TestWhatCannotBeSavedIsInForceAndSavedWhenRepeated: the state directory is
// mended after two failures.
func TestWhatCannotBeSavedIsInForceAndSavedWhenRepeated(t *testing.T) {
	s := newShelf(t)
	r := s.open()
	mend := s.block()
	m, other := Mark{KindSession, "main", "s"}, Mark{KindKey, "main", "k"}
	for i, want := range []bool{true, false} {
		if changed, err := r.Revoke(m, Origin{}, 0, time.Time{}); changed != want || !errors.Is(err, ErrNotSaved) {
			t.Errorf("%d: changed %v, %v", i, changed, err)
		}
	}
	if changed, err := r.Revoke(other, Origin{}, 0, time.Time{}); !changed || !errors.Is(err, ErrNotSaved) {
		t.Errorf("another: changed %v, %v", changed, err)
	}
	if !r.Has(m) || !r.Has(other) || !r.Unsaved() {
		t.Error("not in force, or said to be saved")
	}
	mend()
	if changed, err := r.Revoke(m, Origin{}, 0, time.Time{}); changed || err != nil || r.Unsaved() {
		t.Errorf("repeated on a mended disk: changed %v, %v", changed, err)
	}
	if again := s.open(); !again.Has(m) || !again.Has(other) {
		t.Error("not everything is saved")
	}
}

// TestAJournalThatCouldNotBeWrittenAtTheStartIsWrittenLater, although nothing is revoked and
// no token is seen.
func TestAJournalThatCouldNotBeWrittenAtTheStartIsWrittenLater(t *testing.T) {
	s := newShelf(t)
	mend := s.block()
	r := s.open()
	if err := r.saveNews(); !errors.Is(err, ErrNotSaved) {
		t.Errorf("with a broken directory: %v", err)
	}
	mend()
	if err := r.saveNews(); err != nil || !r.journal.sound() {
		t.Errorf("with a repaired directory: %v", err)
	}
}

func TestTheJournalIsWrittenAnewWhenMostOfItIsHistory(t *testing.T) {
	s := newShelf(t)
	r := s.open()
	kept := Mark{KindKey, "main", "kept"}
	s.revoke(r, kept)
	r.journal.lines = slack - 5 // as if the lines had been written, because each real change is synced, which takes time
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
	if lines := strings.Count(s.text(), "\n"); lines != r.journal.lines+1 {
		t.Errorf("%d lines in the file, %d are counted and a head", lines, r.journal.lines)
	}
	again := s.open()
	if !again.Has(kept) || again.Len() != 1 || s.log.Len() > 0 {
		t.Errorf("something was lost or came back: %s", s.log)
	}
	if again.journal.id != r.journal.id || again.journal.seq != r.journal.seq {
		t.Error("it is not the journal of the same directory, or its numbers began again")
	}
}

// TestLongLivedTokensAreNotForgottenByARestart: such a token is seen after the
// revocation that covers it.
func TestLongLivedTokensAreNotForgottenByARestart(t *testing.T) {
	s := newShelf(t)
	r := s.open()
	end := keeping(t, r)
	m := Mark{KindSession, "main", "s"}
	s.revoke(r, m)
	now := s.now()
	r.Note(&Token{Project: "main", Issued: now.Unix(), Expires: now.Add(30 * 24 * time.Hour).Unix(), Verified: now})
	e2e.Until(t, "that is saved, before Keep ends", func() bool { return strings.Contains(s.text(), fmt.Sprint(30*24*3600)) })
	end()
	s.advance(29 * 24 * time.Hour)
	if !s.swept().Has(m) {
		t.Error("forgotten while a covered token can be alive")
	}
	s.advance(2 * 24 * time.Hour)
	if s.swept().Has(m) {
		t.Error("kept for ever")
	}
}

// TestARevocationRepeatedIsKeptForTokensIssuedSince: revoked sessions and users
// may still get new tokens.
func TestARevocationRepeatedIsKeptForTokensIssuedSince(t *testing.T) {
	for _, kind := range []Kind{KindSession, KindSubject} {
		s := newShelf(t)
		r := s.open()
		m := Mark{kind, "main", "s"}
		s.revoke(r, m)
		s.advance(retention - time.Minute)
		if _, err := r.Revoke(m, Origin{}, 0, time.Time{}); err != nil {
			t.Fatal(err)
		}
		s.advance(time.Hour)
		if !s.swept().Has(m) {
			t.Errorf("%s: forgotten while tokens issued before the second time can be alive", kind)
		}
		s.advance(retention)
		if s.swept().Has(m) {
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
	if info, err = os.Stat(s.seal); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("seal: mode %v, %v", info.Mode(), err)
	}
}
