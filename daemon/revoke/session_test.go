package revoke

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/neonauthd/neonauthd/daemon/clock/clocktest"
)

const day = 24 * time.Hour

// ofSession returns a token of a session, issued now.
func (s *shelf) ofSession(id string) *Token {
	return &Token{Project: "main", Subject: "ada", Session: id, Issued: s.now().Unix(), Expires: s.now().Add(time.Hour).Unix(), Verified: s.now(), Signed: SignedDigest([]byte("a.b.c"))}
}

// TestARevokedSessionIsKeptWhileItsRefreshTokenMayLive, and no longer, across a restart.
func TestARevokedSessionIsKeptWhileItsRefreshTokenMayLive(t *testing.T) {
	const spare = renewInterval + leastTokenLife
	for _, c := range []struct {
		name      string
		lifetimes map[string]time.Duration
		retention time.Duration
		longest   time.Duration // lifetime of a token that was seen
		kind      Kind
		kept      time.Duration // 0: for ever
	}{
		{"its lifetime", map[string]time.Duration{"main": 30 * day}, retention, 0, KindSession, 30*day + spare},
		{"a short one", map[string]time.Duration{"main": time.Hour}, retention, 0, KindSession, time.Hour + spare},
		{"longer-lived tokens", map[string]time.Duration{"main": 30 * day}, retention, 9 * day, KindSession, 30*day + renewInterval + 9*day + time.Second},
		{"a longer retention", map[string]time.Duration{"main": 30 * day}, 90 * day, 0, KindSession, 90 * day},
		{"for ever", map[string]time.Duration{"main": 0}, retention, 0, KindSession, 0},
		{"everything for ever", map[string]time.Duration{"main": time.Hour}, 0, 0, KindSession, 0},
		{"another project's", map[string]time.Duration{"other": 30 * day}, retention, 0, KindSession, retention},
		{"none said", nil, retention, 0, KindSession, retention},
		{"a subject's", map[string]time.Duration{"main": 30 * day}, retention, 0, KindSubject, retention},
		{"a subject's without a session", map[string]time.Duration{"main": 30 * day}, 30 * day, 0, KindSessionless, leastTokenLife},
		{"a subject's without a session, longer-lived tokens", nil, retention, 9 * day, KindSessionless, 9*day + time.Second},
		{"a subject's without a session, everything for ever", nil, 0, 0, KindSessionless, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShelf(t)
			s.kept, s.lifetimes = c.retention, c.lifetimes
			r, began := s.open(), s.now()
			if c.longest > 0 {
				r.Note(&Token{Project: "main", Issued: s.now().Unix(), Expires: s.now().Add(c.longest).Unix()})
			}
			m := Mark{c.kind, "main", "x"}
			if _, err := r.End(m, Origin{}, s.now()); err != nil {
				t.Fatal(err)
			}
			kept := func(at time.Duration) bool {
				s.advance(at - s.now().Sub(began))
				return s.swept().Has(m)
			}
			if c.kept == 0 {
				if !kept(10 * 365 * day) {
					t.Error("forgotten after ten years")
				}
				return
			}
			if !kept(c.kept-2*time.Second) || kept(c.kept+2*time.Second) {
				t.Errorf("not kept for %s", c.kept)
			}
		})
	}
}

// TestASessionInUseStaysRevoked: no fixed term would be enough, because each use of the
// refresh token gives another one. The daemon is restarted after each use.
func TestASessionInUseStaysRevoked(t *testing.T) {
	for _, revoke := range []func(*List, Mark) error{
		func(l *List, m Mark) error { _, err := l.End(m, Origin{}, time.Time{}); return err },
		func(l *List, m Mark) error { _, err := l.Revoke(m, Origin{}, testLeeway, time.Time{}); return err },
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newShelf(t)
			s.clock, s.lifetimes = clocktest.Following(), map[string]time.Duration{"main": 30 * day}
			run := func(what func(l *List)) {
				l := s.open()
				ctx, stop := context.WithCancel(t.Context())
				done := make(chan struct{})
				go func() { defer close(done); l.Keep(ctx) }()
				defer func() { stop(); <-done }()
				what(l)
			}
			run(func(l *List) {
				if err := revoke(l, Mark{KindSession, "main", "ended"}); err != nil {
					t.Fatal(err)
				}
			})
			for range 6 { // for four months
				time.Sleep(20 * day)
				run(func(l *List) {
					s.hear(0)
					time.Sleep(2 * noteInterval) // Keep forgets revocations that are over
					if !l.Covers(s.ofSession("ended")) {
						t.Fatalf("a refreshed token is let in on %s", s.now())
					}
					synctest.Wait()
				})
			}
			time.Sleep(33 * day)
			run(func(l *List) {
				s.hear(0)
				time.Sleep(2 * noteInterval)
				if l.Len() != 0 {
					t.Error("kept for ever, though nobody uses it")
				}
			})
		})
	}
}

// TestSightsCostALineADay, however often a session is seen.
func TestSightsCostALineADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf(t)
		s.clock, s.lifetimes = clocktest.Following(), map[string]time.Duration{"main": 30 * day}
		l := s.open()
		var told []Mark
		l.SetRenewed(func(marks []Mark) { told = append(told, marks...) })
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); l.Keep(ctx) }()
		defer func() { stop(); <-done }()
		m := Mark{KindSession, "main", "ended"}
		if _, err := l.End(m, Origin{By: "7", Reason: "why"}, s.now()); err != nil {
			t.Fatal(err)
		}
		lines := func() int { return strings.Count(s.text(), "\n") }
		see := func(wait time.Duration, want int) {
			t.Helper()
			time.Sleep(wait)
			before := lines()
			for range 1000 {
				if !l.Covers(s.ofSession("ended")) || l.Covers(s.ofSession("another")) {
					t.Fatal("the wrong session is refused")
				}
			}
			synctest.Wait()
			if got := lines() - before; got != want || len(told) != want {
				t.Errorf("after %s: %d lines, %d told, want %d", wait, got, len(told), want)
			}
			told = nil
		}
		see(0, 0)
		see(renewInterval-time.Second, 0)
		see(time.Second, 1)
		see(time.Second, 0)
		see(renewInterval, 1)
		if page, _ := l.Page("main", Mark{}, 1); len(page) != 1 || page[0].Reason != "why" || page[0].By != "7" || !page[0].Until.After(s.now().Add(30*day)) {
			t.Errorf("%+v", page)
		}
		if _, err := l.Unrevoke(m); err != nil {
			t.Error(err)
		}
		time.Sleep(renewInterval)
		if l.Covers(s.ofSession("ended")) {
			t.Error("refused after it was taken back")
		}
	})
}

// TestASightThatCannotBeSavedIsSavedLater, and until then it is noted in memory.
func TestASightThatCannotBeSavedIsSavedLater(t *testing.T) {
	s := newShelf(t)
	s.lifetimes = map[string]time.Duration{"main": 30 * day}
	l := s.open()
	if _, err := l.End(Mark{KindSession, "main", "ended"}, Origin{}, s.now()); err != nil {
		t.Fatal(err)
	}
	s.advance(20 * day)
	l.Covers(s.ofSession("ended"))
	mend := s.block()
	if err := l.renew(); !errors.Is(err, ErrNotSaved) || !l.Unsaved() {
		t.Errorf("saved: %v", err)
	}
	mend()
	if err := l.saveNews(); err != nil {
		t.Fatal(err)
	}
	s.advance(20 * day)
	if !s.swept().Has(Mark{KindSession, "main", "ended"}) {
		t.Error("forgotten")
	}
}

// TestWhatAnIssuerSaysTwiceChangesNothing and writes no line, however much time has
// passed since.
func TestWhatAnIssuerSaysTwiceChangesNothing(t *testing.T) {
	for _, kind := range []Kind{KindSession, KindSessionless, KindSubject} {
		s := newShelf(t)
		l, m := s.open(), Mark{kind, "main", "ada"}
		ended := s.now().Add(-time.Minute)
		end := func(o Origin, at time.Time) bool {
			t.Helper()
			changed, err := l.End(m, o, at)
			if err != nil {
				t.Fatal(err)
			}
			return changed
		}
		if !end(Origin{Reason: "first"}, ended) {
			t.Errorf("%s: nothing changed", kind)
		}
		s.advance(time.Hour)
		before := s.text()
		if end(Origin{Reason: "second"}, ended) || s.text() != before {
			t.Errorf("%s: a repetition is written", kind)
		}
		for issued, covered := range map[time.Time]bool{ended.Add(-time.Hour): true, ended: true, ended.Add(time.Second): kind == KindSession} {
			token := s.ofSession(map[bool]string{true: "", false: "ada"}[kind == KindSessionless])
			if token.Issued = issued.Unix(); l.Covers(token) != covered {
				t.Errorf("%s: issued %s after it ended: covered %v", kind, issued.Sub(ended), !covered)
			}
		}
		if page, _ := l.Page("", Mark{}, 1); page[0].Reason != "first" {
			t.Errorf("%s: %+v", kind, page)
		}
		if changed := end(Origin{}, ended.Add(time.Minute)); changed != (kind != KindSession) {
			t.Errorf("%s: a later end: changed %v", kind, changed)
		}
	}
}

// TestTokensWithoutASessionAreToldFromThoseWithOne, for the same subject and across a
// restart.
func TestTokensWithoutASessionAreToldFromThoseWithOne(t *testing.T) {
	s := newShelf(t)
	l := s.open()
	if _, err := l.End(Mark{KindSessionless, "main", "ada"}, Origin{}, s.now()); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = s.open()
	for session, covered := range map[string]bool{"": true, "one": false, "ada": false} {
		if token := s.ofSession(session); l.Covers(token) != covered {
			t.Errorf("session %q: covered %v", session, !covered)
		}
	}
	other, elsewhere := s.ofSession(""), s.ofSession("")
	if other.Subject, elsewhere.Project = "bob", "other"; l.Covers(other) || l.Covers(elsewhere) {
		t.Error("another subject's, or another project's, is covered")
	}
}

// TestSignOutsLeaveRoomForOperators: sign-outs fill all but the last tenth of the list,
// and no more.
func TestSignOutsLeaveRoomForOperators(t *testing.T) {
	s := newShelf(t)
	l := s.open()
	l.most = 20
	for i := range 18 {
		if changed, err := l.End(Mark{KindSession, "main", fmt.Sprint(i)}, Origin{}, s.now()); !changed || err != nil {
			t.Fatalf("%d: %v", i, err)
		}
	}
	if changed, err := l.End(Mark{KindSession, "main", "one more"}, Origin{}, s.now()); changed || !errors.Is(err, ErrFull) {
		t.Errorf("changed %v, %v", changed, err)
	}
	if changed, err := l.End(Mark{KindSession, "main", "3"}, Origin{}, s.now()); changed || err != nil {
		t.Errorf("a repetition: changed %v, %v", changed, err)
	}
	for _, value := range []string{"a", "b"} {
		s.revoke(l, Mark{KindSession, "main", value})
	}
	if _, err := l.Revoke(Mark{KindSession, "main", "c"}, Origin{}, 0, time.Time{}); !errors.Is(err, ErrFull) {
		t.Error(err)
	}
}

// TestARenewalElsewhereKeepsTheRevocationHere, and does not count as a new end.
func TestARenewalElsewhereKeepsTheRevocationHere(t *testing.T) {
	here, there := member(t), member(t)
	for _, s := range []*shelf{here, there} {
		s.lifetimes = map[string]time.Duration{"main": 30 * day}
	}
	m := Mark{KindSession, "main", "ended"}
	a, b := here.open(), there.open()
	if _, err := a.End(m, Origin{}, here.now()); err != nil {
		t.Fatal(err)
	}
	tell := func(want bool) {
		t.Helper()
		if one, known := a.Get(m); !known {
			t.Fatal("not known")
		} else if changed, err := b.Join([]Shared{one}); err != nil || slices.Contains(changed, m) != want {
			t.Fatalf("changed %v, %v", changed, err)
		}
	}
	tell(true)
	for range 4 {
		here.advance(20 * day)
		there.advance(20 * day)
		a.Covers(here.ofSession("ended"))
		if err := a.renew(); err != nil {
			t.Fatal(err)
		}
		tell(false)
	}
	b = there.swept()
	if !b.Covers(there.ofSession("ended")) {
		t.Error("forgotten on the other host")
	}
}
