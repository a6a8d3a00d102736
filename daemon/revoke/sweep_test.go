package revoke

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/neonauthd/neonauthd/daemon/clock/clocktest"
)

// TestNothingIsForgottenBeforeItIsCertainlyOver, whatever the clock says, at a
// start or while the daemon runs.
func TestNothingIsForgottenBeforeItIsCertainlyOver(t *testing.T) {
	const day = 24 * time.Hour
	restart := func(s *shelf, r **List) { *r = s.open() }
	for _, c := range []struct {
		name string
		do   func(s *shelf, r **List) // after the revocation
		kept bool
	}{
		{"nothing happens", func(*shelf, **List) {}, true},
		{"a start 30 days ahead", func(s *shelf, r **List) { s.clock.Step(30 * day); restart(s, r) }, true},
		{"a start 25 hours ahead", func(s *shelf, r **List) { s.clock.Step(25 * time.Hour); restart(s, r) }, true},
		{"a start 30 days ahead, and an upstream says so", func(s *shelf, r **List) { s.clock.Step(30 * day); restart(s, r); s.hear(-30 * day) }, true},
		{"a start 30 days ahead, and time passes", func(s *shelf, r **List) { s.clock.Step(30 * day); restart(s, r); s.advance(retention - time.Minute) }, true},
		{"a step ahead", func(s *shelf, _ **List) { s.clock.Step(30 * day) }, true},
		{"a step ahead, after an upstream was heard", func(s *shelf, _ **List) { s.hear(0); s.clock.Step(30 * day) }, true},
		{"an upstream that is ahead alone", func(s *shelf, _ **List) { s.hear(30 * day) }, true},
		{"an upstream that is ahead, a little before the end", func(s *shelf, _ **List) { s.advance(retention - time.Minute); s.hear(30 * day) }, true},
		{"a sleep, and nobody heard", func(s *shelf, _ **List) { s.clock.Sleep(2 * retention) }, true},
		{"set back", func(s *shelf, r **List) { s.clock.Step(-30 * day); restart(s, r); s.hear(0) }, true},
		{"off for long, and nobody heard", func(s *shelf, r **List) { s.advance(2 * retention); restart(s, r) }, true},

		{"off for long", func(s *shelf, r **List) { s.advance(2 * retention); restart(s, r); s.hear(0) }, false},
		{"a sleep", func(s *shelf, _ **List) { s.clock.Sleep(2 * retention); s.hear(0) }, false},
		{"time passes, and nobody is heard", func(s *shelf, _ **List) { s.advance(retention + 2*anyLeeway) }, false},
		{"time passes after a start", func(s *shelf, r **List) { restart(s, r); s.advance(retention + 2*anyLeeway) }, false},
		{"time passes as an upstream says", func(s *shelf, _ **List) { s.hear(0); s.advance(retention + time.Minute) }, false},
	} {
		for _, kind := range []Kind{KindSubject, KindSession, KindToken} {
			t.Run(c.name+", "+string(kind), func(t *testing.T) {
				s := newShelf(t)
				r := s.open()
				m := Mark{kind, "main", "x"}
				var until time.Time
				if kind == KindToken {
					until = s.now().Add(retention)
				}
				if _, err := r.Revoke(m, Origin{}, testLeeway, until); err != nil {
					t.Fatal(err)
				}
				c.do(s, &r)
				r.Sweep()
				if r.Has(m) != c.kept {
					t.Errorf("kept: %v", r.Has(m))
				}
				if again := s.open(); c.kept && !again.Has(m) {
					t.Error("the next start has forgotten it")
				}
			})
		}
	}
}

// TestAFullListMakesNoRoomByAWrongClock, but refuses further revocations.
func TestAFullListMakesNoRoomByAWrongClock(t *testing.T) {
	s := newShelf(t)
	r := s.open()
	r.most = 1
	s.revoke(r, Mark{KindSession, "main", "s"})
	s.clock.Step(30 * retention)
	if changed, err := r.Revoke(Mark{KindSession, "main", "another"}, Origin{}, 0, time.Time{}); changed || !errors.Is(err, ErrFull) {
		t.Errorf("changed %v, %v", changed, err)
	}
	s.hear(0)
	s.revoke(r, Mark{KindSession, "main", "another"})
}

// TestTheFloorOfTheClockIsCovered: a host whose clock starts in 1970 still
// revokes what has been issued since.
func TestTheFloorOfTheClockIsCovered(t *testing.T) {
	s := newShelf(t)
	floor := s.now().Add(-time.Hour)
	s.clock.Step(-50 * 365 * 24 * time.Hour)
	r, err := Open(s.state, Options{Now: s.now, ClockFloor: floor})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	s.revoke(r, Mark{KindSubject, "main", "ada"})
	for issued, covered := range map[time.Time]bool{floor.Add(-time.Second): true, floor: true, floor.Add(time.Hour): false} {
		if got := r.Covers(&Token{Project: "main", Subject: "ada", Issued: issued.Unix()}); got != covered {
			t.Errorf("issued %s after the floor: covered %v", issued.Sub(floor), got)
		}
	}
}

// TestWhatIsOverIsForgottenWhileTheDaemonRuns: soon after its start, and then
// regularly.
func TestWhatIsOverIsForgottenWhileTheDaemonRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf(t)
		s.clock = clocktest.Following()
		r := s.open()
		s.revoke(r, Mark{KindSession, "main", "long ago"})
		s.clock.Sleep(2 * retention)
		s.hear(0)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); r.Keep(ctx) }()
		defer func() { stop(); <-done }()
		time.Sleep(noteInterval + time.Second)
		synctest.Wait()
		if r.Len() != 0 {
			t.Error("not forgotten after a minute")
		}
		s.revoke(r, Mark{KindSession, "main", "now"})
		s.clock.Sleep(2 * retention)
		s.hear(0)
		time.Sleep(sweepEvery * noteInterval)
		synctest.Wait()
		if r.Len() != 0 || strings.Count(s.log.String(), "were forgotten") != 2 {
			t.Errorf("%d are in force; log %s", r.Len(), s.log)
		}
	})
}

// TestASessionThatWasJustSeenIsNotForgotten, if its revocation is over before the sight is
// noted: neither by Sweep nor to make room.
func TestASessionThatWasJustSeenIsNotForgotten(t *testing.T) {
	s := newShelf(t)
	l := s.open()
	l.most = 2
	seen, unseen := Mark{KindSession, "main", "seen"}, Mark{KindSession, "main", "unseen"}
	s.revoke(l, seen)
	s.revoke(l, unseen)
	s.advance(retention)
	s.hear(0)
	if !l.Covers(s.ofSession("seen")) {
		t.Fatal("the token is let in")
	}
	s.advance(2 * time.Second)
	s.revoke(l, Mark{KindSession, "main", "another"})
	l.Sweep()
	if !l.Has(seen) || l.Has(unseen) {
		t.Errorf("seen: %v, unseen: %v", l.Has(seen), l.Has(unseen))
	}
	if err := l.renew(); err != nil {
		t.Error(err)
	}
	s.advance(retention - time.Minute)
	s.hear(0)
	l.Sweep()
	if !l.Has(seen) {
		t.Error("the sight was lost")
	}
}
