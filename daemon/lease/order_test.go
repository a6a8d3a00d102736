package lease

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/neonauthd/neonauthd/protocol"
)

// TestARevisionIsReadBeforeItIsGranted: what is told while Revision decides has a later
// revision than the one that it returns.
func TestARevisionIsReadBeforeItIsGranted(t *testing.T) {
	for name, change := range map[string]func(s *Watches){"an event": (*Watches).ForgetAll, "a drain": (*Watches).Drain} {
		var s *Watches
		during := func() {
			if then := change; then != nil {
				change = nil
				then(s)
			}
		}
		s = New(Options{Withhold: func() bool { during(); return false }})
		if r, ok := s.Revision(); ok && r.N != 0 {
			t.Errorf("%s: an answer that was decided before it has its revision, %d", name, r.N)
		}
	}
}

// TestABlindHostGrantsNothing that may be kept, and tells in its leases for how long it has
// been blind, rounded up.
func TestABlindHostGrantsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		heard, blind := 3*time.Second+time.Nanosecond, false
		s := New(Options{Hearing: func() (time.Duration, bool) { return heard, blind }})
		c := up(t, s, 1)
		c.sees(0)
		blind = true
		if r, ok := s.Revision(); ok || r != (protocol.Revision{}) {
			t.Errorf("an answer may be kept, of revision %v", r)
		}
		c.says("SEEN rev=0 hits=0")
		c.hears("OK lease=1000 rev=0 heard=4")
		synctest.Wait()
		heard = 3 * time.Second
		c.says("SEEN rev=0 hits=0")
		c.hears("OK lease=1000 rev=0 heard=3")
	})
}

// crowd opens many watches that nobody serves, so that it takes some time to tell them all.
func crowd(t *testing.T, s *Watches) {
	t.Helper()
	for i := range 500 {
		w, ok := s.Open(owner(uint32(i)), nil)
		if !ok {
			t.Fatal("no watch")
		}
		t.Cleanup(w.close)
	}
}

// TestNoAnswerIsKeptUnderTheRevisionOfADrain: a client that has forgotten everything for the
// drain would keep the answer.
func TestNoAnswerIsKeptUnderTheRevisionOfADrain(t *testing.T) {
	for range 20 {
		s := New(Options{})
		crowd(t, s)
		var asking sync.WaitGroup
		asking.Go(func() {
			for s.revision.Load() == 0 {
				if r, ok := s.Revision(); ok && r.N > 0 {
					t.Errorf("granted revision %d", r.N)
				}
			}
			if r, ok := s.Revision(); ok {
				t.Errorf("granted revision %d", r.N)
			}
		})
		s.Drain()
		asking.Wait()
	}
}

// TestAnAnswerDuringAWithholdingIsForgottenByTheNext: such an answer has the revision of the line
// that the withholding tells, so the client may keep it.
func TestAnAnswerDuringAWithholdingIsForgottenByTheNext(t *testing.T) {
	var once atomic.Bool // withholds once
	s := New(Options{Withhold: func() bool { return once.CompareAndSwap(true, false) }})
	crowd(t, s)
	for n := range int64(200) {
		var asking sync.WaitGroup
		asking.Go(func() {
			for r, ok := s.Revision(); !ok || r.N == n; r, ok = s.Revision() {
			}
		})
		for s.revision.Load() == n { // until it is Revision that finds nothing withheld
			once.Store(true)
			s.mu.Lock()
			s.withholdLocked()
			s.mu.Unlock()
		}
		asking.Wait()
		if s.cleared.Load() {
			t.Fatalf("an answer of revision %d may be kept, and the next withholding would not tell to forget it", n+1)
		}
	}
}

// TestTheLongestLeaseOfAllLostWatchesStands, in whatever order they are lost.
func TestTheLongestLeaseOfAllLostWatchesStands(t *testing.T) {
	for _, order := range [][2]int{{0, 1}, {1, 0}} {
		synctest.Test(t, func(t *testing.T) {
			s := started()
			both := [2]*client{up(t, s, 1)}
			time.Sleep(300 * time.Millisecond)
			both[1] = up(t, s, 2)
			for _, n := range order {
				both[n].lose()
			}
			s.ForgetAll()
			if got := settles(t, s); got != Term {
				t.Errorf("lost in the order %v: waited %s, want %s", order, got, Term)
			}
		})
	}
}

// TestALaterLeaseProlongsNothing, even if it is granted before Settled is called.
func TestALaterLeaseProlongsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := started()
		c := up(t, s, 1)
		time.Sleep(200 * time.Millisecond)
		s.ForgetAll()
		c.hears(forgettingAll(1))
		c.seesOf(0, 1)
		if got, want := settles(t, s), Term-200*time.Millisecond; got != want {
			t.Errorf("waited %s, want %s", got, want)
		}
	})
}

// TestADrainWaitsForALostClient that has not said that it has forgotten, even if the watch was
// lost before Settled is called.
func TestADrainWaitsForALostClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := started()
		c := up(t, s, 1)
		s.Drain()
		c.hears(forgettingAll(1))
		c.lose()
		if got := settles(t, s); got != Term {
			t.Errorf("waited %s, want %s", got, Term)
		}
	})
}

// TestAWatchThatHasLeftIsToldNothing, and nobody waits for it, even while its last answer is
// not read.
func TestAWatchThatHasLeftIsToldNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := started()
		c := up(t, s, 1)
		c.says("QUIT")
		synctest.Wait()
		s.ForgetAll()
		if got := settles(t, s); got != 0 {
			t.Errorf("waited %s", got)
		}
		c.hears("OK")
		if err := c.ends(); err != nil {
			t.Error(err)
		}
	})
}

// TestWhatComesAfterTheEndOfAWatchCountsForNothing: its reader may still have lines.
func TestWhatComesAfterTheEndOfAWatchCountsForNothing(t *testing.T) {
	s := New(Options{})
	w, _ := s.Open(owner(1), nil)
	w.close()
	w.leave(nil)
	if err := w.saw(0, 1, nil); err == nil || s.backlog != 0 || s.State().Hits != 0 || w.left {
		t.Errorf("%v, %d hits, a backlog of %d, left %v", err, s.State().Hits, s.backlog, w.left)
	}
}
