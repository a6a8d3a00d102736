package lease

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/neonauthd/neonauthd/protocol"
)

// TestAWatchHearsWhatIsToBeForgotten, in order, and the answer to its SEEN comes after that.
func TestAWatchHearsWhatIsToBeForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := started()
		ada, bob := handle(s, "ada"), handle(s, "bob")
		s.Forget(ada) // before there is any watch
		c := up(t, s, 1)
		s.Forget(ada)
		c.hears(forgetting(2, ada))
		s.Forget(ada, bob)
		s.ForgetAll()
		c.hears(forgetting(3, ada, bob), forgettingAll(4))
		c.sees(4)
		c.says("@t SEEN rev=4 hits=7")
		c.hears("@t OK lease=1000 rev=4")
		c.says("QUIT")
		c.hears("OK")
		if err := c.ends(); err != nil {
			t.Error(err)
		}
		if state := s.State(); state.Open != 0 || state.Told != 4 || state.Hits != 7 || s.backlog != 0 {
			t.Errorf("%+v, a backlog of %d", state, s.backlog)
		}
	})
}

// TestAnAnswerToWatchNamesTheRun, and carries the tag of the request.
func TestAnAnswerToWatchNamesTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := started()
		if other := New(Options{}); other.run == s.run || other.Handle("a", "b", "c") == s.Handle("a", "b", "c") {
			t.Error("another run has the same name, or the same handles")
		}
		w, _ := s.Open(owner(1), []byte("tag"))
		rev, ok := s.Revision()
		if want := string(protocol.AppendRevision([]byte("@tag OK lease=1000"), rev)) + "\n"; !ok || string(w.out) != want {
			t.Errorf("%q, want %q", w.out, want)
		}
		w.close()
	})
}

// TestManyHandlesAreToldInSeveralLines: n-1, n and n+1 of the handles that fit one line.
func TestManyHandlesAreToldInSeveralLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := started()
		c := up(t, s, 1)
		many := make([]protocol.Handle, protocol.MaxForget+1)
		for i := range many {
			many[i] = protocol.Handle(i)
		}
		s.Forget()
		s.Forget(many[1:protocol.MaxForget]...)
		c.hears(forgetting(1, many[1:protocol.MaxForget]...))
		s.Forget(many[1:]...)
		c.hears(forgetting(2, many[1:]...))
		s.Forget(many...)
		c.hears(forgetting(3, many[:protocol.MaxForget]...), forgetting(4, many[protocol.MaxForget]))
	})
}

// TestAHandleStandsForOneThing: parts that are split differently give another handle.
func TestAHandleStandsForOneThing(t *testing.T) {
	s := New(Options{})
	long := string(make([]byte, 512))
	seen := map[protocol.Handle][3]string{}
	for _, parts := range [][3]string{
		{"", "", ""}, {"a", "", ""}, {"", "a", ""}, {"", "", "a"}, {"a", "b", ""}, {"ab", "", ""}, {"", "ab", ""}, {"a", "", "b"},
		{"", "", long}, {"", long, ""}, {"", "", long + long},
	} {
		h := s.Handle(parts[0], parts[1], parts[2])
		if other, twice := seen[h]; twice {
			t.Errorf("%q and %q have one handle", parts, other)
		}
		if seen[h] = parts; h != s.Handle(parts[0], parts[1], parts[2]) {
			t.Errorf("%q has two handles", parts)
		}
	}
}

// TestSettledWaitsForWhoHasNotSeen, and for no other watch.
func TestSettledWaitsForWhoHasNotSeen(t *testing.T) {
	const later = 300 * time.Millisecond
	for name, test := range map[string]struct {
		then func(c *client) // what the client does later, after it was told to forget
		want time.Duration
	}{
		"has seen":                       {func(c *client) { c.sees(1) }, later},
		"has seen, and reads no answer":  {func(c *client) { c.says("SEEN rev=1 hits=0") }, later},
		"says nothing":                   {func(*client) {}, Term},
		"goes on without having seen it": {func(c *client) { c.seesOf(0, 1) }, Term},
		"gives its lease back":           {func(c *client) { c.says("QUIT") }, later},
		"is lost":                        {func(c *client) { c.lose() }, Term},
		"says what it must not":          {func(c *client) { c.says("PING") }, Term},
		"has seen what is still to come": {func(c *client) { c.says("SEEN rev=2 hits=0") }, Term},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := started()
				c := up(t, s, 1)
				quick := up(t, s, 2)
				s.Forget(handle(s, "ada"))
				took := settling(t, s)
				quick.hears(forgetting(1, handle(s, "ada")))
				quick.sees(1)
				c.hears(forgetting(1, handle(s, "ada")))
				time.Sleep(later)
				if took() >= 0 {
					t.Fatalf("after %s it waits no more", took())
				}
				test.then(c)
				time.Sleep(2 * Term)
				if got := took(); got != test.want {
					t.Errorf("waited %s, want %s", got, test.want)
				}
				if again := settles(t, s); again > Term {
					t.Errorf("then waited %s", again)
				}
			})
		})
	}
}

// TestALeaseCountsFromTheLastAnswerBeforeTheForget: leases before it have ended sooner, and
// the client reads leases after it behind the line that tells to forget.
func TestALeaseCountsFromTheLastAnswerBeforeTheForget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := started()
		c := up(t, s, 1)
		time.Sleep(600 * time.Millisecond)
		c.sees(0)
		time.Sleep(300 * time.Millisecond)
		s.ForgetAll()
		c.hears(forgettingAll(1))
		took := settling(t, s)
		for range 6 { // the client renews its lease, and does not say that it has forgotten
			c.seesOf(0, 1)
			time.Sleep(250 * time.Millisecond)
		}
		if want := Term - 300*time.Millisecond; took() != want {
			t.Errorf("waited %s, want %s", took(), want)
		}
		s.ForgetAll() // now the lease that was granted last counts
		c.hears(forgettingAll(2))
		if got, want := settles(t, s), Term-250*time.Millisecond; got != want {
			t.Errorf("waited %s, want %s", got, want)
		}
	})
}

// TestAnIdleWatchIsNotWaitedFor if its lease is over, or if nothing was told since its last
// SEEN.
func TestAnIdleWatchIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := started()
		c := up(t, s, 1)
		if got := settles(t, s); got != 0 {
			t.Errorf("nothing was told, and waited %s", got)
		}
		time.Sleep(Term)
		s.ForgetAll()
		c.hears(forgettingAll(1))
		if got := settles(t, s); got != 0 {
			t.Errorf("the lease was over, and waited %s", got)
		}
		c.sees(1)
		if got := settles(t, s); got != 0 {
			t.Errorf("it has seen everything, and waited %s", got)
		}
	})
}

// TestALostWatchStandsUntilItsLeaseIsOver, also for a change that was told after the watch
// was lost.
func TestALostWatchStandsUntilItsLeaseIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := started()
		c := up(t, s, 1)
		time.Sleep(200 * time.Millisecond)
		c.lose()
		s.ForgetAll()
		if got, want := settles(t, s), Term-200*time.Millisecond; got != want {
			t.Errorf("waited %s, want %s", got, want)
		}
		c = up(t, s, 1)
		c.says("QUIT")
		c.hears("OK")
		c.ends()
		s.ForgetAll()
		if got := settles(t, s); got != 0 {
			t.Errorf("after QUIT waited %s", got)
		}
	})
}

// TestAStartWaitsForTheRunBefore, with watches and without.
func TestAStartWaitsForTheRunBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{})
		if got := settles(t, s); got != 0 {
			t.Errorf("of no run before, waited %s", got)
		}
		time.Sleep(time.Minute) // a minute for reading the disk
		s.Start()
		time.Sleep(100 * time.Millisecond)
		if got, want := settles(t, s), Term-100*time.Millisecond; got != want {
			t.Errorf("waited %s, want %s", got, want)
		}
		if got := settles(t, s); got != 0 {
			t.Errorf("then waited %s", got)
		}
	})
}

// TestADrainGrantsNothing: no lease, no watch, no answer that may be kept.
func TestADrainGrantsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := started()
		c := up(t, s, 1)
		time.Sleep(200 * time.Millisecond)
		s.Drain()
		if _, ok := s.Revision(); ok {
			t.Error("answers may be kept")
		}
		if _, ok := s.Open(owner(2), nil); ok || s.State().Open != 1 {
			t.Error("another watch is up")
		}
		c.hears(forgettingAll(1))
		took := settling(t, s)
		c.says("SEEN rev=0 hits=0") // it was on its way
		if err := c.ends(); !errors.Is(err, errDraining) {
			t.Error(err)
		}
		time.Sleep(Term)
		if got, want := took(), Term-200*time.Millisecond; got != want {
			t.Errorf("waited %s, want %s", got, want)
		}
	})
}

// TestADrainNeedNotWaitForAClientThatHasForgotten, whether its watch is still open or not:
// otherwise each stop would take as long as a lease. A client that says nothing is waited for.
func TestADrainNeedNotWaitForAClientThatHasForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := started()
		quick, slow := up(t, s, 1), up(t, s, 2)
		time.Sleep(200 * time.Millisecond)
		slow.sees(0)
		time.Sleep(200 * time.Millisecond)
		s.Drain()
		for _, c := range []*client{quick, slow} {
			c.hears(forgettingAll(1))
		}
		quick.says("SEEN rev=1 hits=0")
		if err := quick.ends(); !errors.Is(err, errDraining) {
			t.Error(err)
		}
		took := settling(t, s)
		slow.lose()
		time.Sleep(Term)
		if got, want := took(), Term-200*time.Millisecond; got != want {
			t.Errorf("with a client that says nothing: waited %s, want %s", got, want)
		}
		s = started()
		quick = up(t, s, 1)
		s.Drain()
		quick.hears(forgettingAll(1))
		took = settling(t, s)
		quick.says("SEEN rev=1 hits=0")
		_ = quick.ends()
		if got := took(); got != 0 {
			t.Errorf("while it was open: waited %s", got)
		}
		if got := settles(t, s); got != 0 {
			t.Errorf("afterwards: waited %s", got)
		}
	})
}

// TestSettledEndsWithItsContext, and returns an error then.
func TestSettledEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := started()
		c := up(t, s, 1)
		s.ForgetAll()
		c.hears(forgettingAll(1))
		for _, lost := range []bool{false, true} {
			if lost {
				c.lose()
			}
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			if err := s.Settled(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("lost: %v: %v", lost, err)
			}
			cancel()
		}
	})
}

// TestSettledWaitsForOneRevision: it does not wait for what is told after its call.
func TestSettledWaitsForOneRevision(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := started()
		c := up(t, s, 1)
		s.ForgetAll()
		c.hears(forgettingAll(1))
		took := settling(t, s)
		time.Sleep(100 * time.Millisecond)
		s.ForgetAll()
		c.hears(forgettingAll(2))
		c.seesOf(1, 2)
		if got := took(); got != 100*time.Millisecond {
			t.Errorf("waited %s", got)
		}
	})
}

// TestWhileItIsWithheldNothingIsKept: each time that withholding begins, kept answers are
// forgotten before the lease goes on.
func TestWhileItIsWithheldNothingIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var withheld atomic.Bool
		s := New(Options{Withhold: withheld.Load})
		c, other := up(t, s, 1), up(t, s, 2)
		for told := int64(1); told <= 2; told++ {
			withheld.Store(true)
			if _, ok := s.Revision(); ok {
				t.Error("answers may be kept")
			}
			c.says("SEEN rev=%d hits=0", told-1)
			c.hears(forgettingAll(told), fmt.Sprintf("OK lease=1000 rev=%d", told))
			other.hears(forgettingAll(told))
			synctest.Wait()
			other.sees(told)
			c.sees(told)
			withheld.Store(false)
			if _, ok := s.Revision(); !ok {
				t.Error("answers may not be kept")
			}
			c.sees(told)
		}
	})
}

// TestEachWithholdingIsTold also if withholding ends and begins again between two SEENs: an
// answer may have been kept meanwhile. If none may have been kept, nothing is told again.
func TestEachWithholdingIsTold(t *testing.T) {
	for name, granted := range map[string]bool{"an answer may have been kept": true, "nothing may have been kept": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var withheld atomic.Bool
				s := New(Options{Withhold: withheld.Load})
				c := up(t, s, 1)
				withheld.Store(true)
				c.says("SEEN rev=0 hits=0")
				c.hears(forgettingAll(1), "OK lease=1000 rev=1")
				synctest.Wait()
				withheld.Store(false)
				if granted {
					if r, ok := s.Revision(); !ok || r.N != 1 {
						t.Errorf("revision %d, %v", r.N, ok)
					}
				}
				withheld.Store(true)
				c.says("SEEN rev=1 hits=0")
				if granted {
					c.hears(forgettingAll(2), "OK lease=1000 rev=2")
				} else {
					c.hears("OK lease=1000 rev=1")
				}
			})
		})
	}
}
