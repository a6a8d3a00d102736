package lease

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/protocol"
)

func owner(uid uint32) fair.ID { return fair.ID{UID: uid} }

// TestAWatchEndsWithWhatItDoesNotTake, without another reply.
func TestAWatchEndsWithWhatItDoesNotTake(t *testing.T) {
	for _, line := range []string{
		"", "PING", "VERIFY a.b.c", "WATCH", "QUIT now", "QUIT rev=1", "seen", "SEEN", "SEEN rev=1", "SEEN hits=1", "SEEN rev=1 hits=0 more=1",
		"SEEN rev=1 hits=0 now", "SEEN rev=-1 hits=0", "SEEN rev=1 hits=-1", "SEEN rev=01 hits=0", "SEEN rev=x hits=0", "SEEN rev= hits=",
		"SEEN rev=3 hits=0", "SEEN rev=9000000000000000000 hits=0", "SEEN rev=99999999999999999999 hits=0", "@ SEEN rev=1 hits=0", "SEEN rev=1 hits=0 ",
	} {
		t.Run(line, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := started()
				c := up(t, s, 1)
				s.ForgetAll()
				s.ForgetAll()
				c.hears(forgettingAll(1), forgettingAll(2))
				c.seesOf(1, 2)
				c.says("%s", line)
				if err := c.ends(); err == nil {
					t.Error(err)
				}
				if s.State().Open != 0 || s.State().Hits != 0 {
					t.Errorf("%+v", s.State())
				}
			})
		})
	}
}

// TestASeenGoesNoWayBack: SEEN cannot name an earlier revision than before.
func TestASeenGoesNoWayBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := started()
		c := up(t, s, 1)
		s.ForgetAll()
		c.hears(forgettingAll(1))
		c.sees(1)
		c.says("SEEN rev=0 hits=0")
		if err := c.ends(); !errors.Is(err, errUnsent) {
			t.Error(err)
		}
	})
}

// TestALineThatWaitsWasNotSeen: the client can confirm a line only after its writing
// has begun.
func TestALineThatWaitsWasNotSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := started()
		c := up(t, s, 1)
		s.ForgetAll()
		synctest.Wait() // the line is being written, and nobody reads it
		s.ForgetAll()
		c.says("SEEN rev=2 hits=0")
		if synctest.Wait(); s.State().Open != 0 {
			t.Error("the watch goes on")
		}
		c = up(t, s, 1)
		s.ForgetAll()
		synctest.Wait()
		c.says("SEEN rev=3 hits=0")
		if synctest.Wait(); s.State().Open != 1 {
			t.Error("the watch has ended")
		}
	})
}

// TestALongBacklogBecomesOneLine: n-1, n and n+1 bytes, including those that are
// being written.
func TestALongBacklogBecomesOneLine(t *testing.T) {
	for over := -1; over <= 1; over++ {
		synctest.Test(t, func(t *testing.T) {
			s := started()
			s.revision.Store(1000) // so that all lines have the same length
			c := up(t, s, 1)
			c.says("SEEN rev=1000 hits=0")
			synctest.Wait() // the answer is being written, and nobody reads it
			const answer = "OK lease=1000 rev=1000"
			room, line := fair.WatchBacklog-len(answer+"\n")+over, len(forgettingAll(1000)+"\n")
			pad := strings.Repeat("x", room%line)
			s.tell(func(dst []byte) []byte { return append(appendAll(dst), pad...) })
			for range room/line - 1 {
				s.ForgetAll()
			}
			last := s.revision.Load()
			c.hears(answer)
			if over <= 0 {
				c.hears("OK forget=*" + pad + " rev=1001")
				for n := int64(1002); n < last; n++ {
					c.hears(forgettingAll(n))
				}
			}
			c.hears(forgettingAll(last))
			c.sees(last)
			if s.backlog != 0 {
				t.Errorf("a backlog of %d", s.backlog)
			}
		})
	}
}

// fill tells a watch that does not read to forget, until the watch gets a line that
// tells to forget everything. fill returns the last revision.
func fill(s *Watches) int64 {
	for before := -1; s.backlog > before; {
		before = s.backlog
		s.Forget(handle(s, "ada"))
	}
	return s.revision.Load()
}

// TestWhatIsOwedComesBehindWhatToForget, even if the lines to forget are replaced by
// one.
func TestWhatIsOwedComesBehindWhatToForget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := started()
		c := up(t, s, 1)
		s.Forget(handle(s, "bob"))
		synctest.Wait() // the line is being written, and nobody reads it
		c.says("@t SEEN rev=0 hits=0")
		synctest.Wait()
		last := fill(s)
		c.hears(forgetting(1, handle(s, "bob")), forgettingAll(last), fmt.Sprintf("@t OK lease=1000 rev=%d", last))
		c.sees(last)
	})
}

// TestTheAnswerToWatchComesFirst, even if lines to forget come before it is read.
func TestTheAnswerToWatchComesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := started()
		w, _ := s.Open(owner(1), nil)
		last := fill(s)
		opening := protocol.AppendRevision([]byte("OK lease=1000"), protocol.Revision{Run: s.run})
		if want := string(opening) + "\n" + forgettingAll(last) + "\n"; string(w.out) != want || s.backlog != len(want) {
			t.Errorf("%q, want %q; a backlog of %d", w.out, want, s.backlog)
		}
		w.close()
		if s.backlog != 0 {
			t.Errorf("a backlog of %d", s.backlog)
		}
	})
}

// TestWhereMuchWaitsEachHasItsPart: n-1, n and n+1 bytes of all watches together, and
// of one watch.
func TestWhereMuchWaitsEachHasItsPart(t *testing.T) {
	part := fair.WatchBacklogs / fair.Watches().Total
	for _, c := range []struct {
		all, own int
		shorter  bool
	}{
		{fair.WatchBacklogs - 1, part + 1, false}, {fair.WatchBacklogs, part + 1, false}, {fair.WatchBacklogs + 1, part + 1, true},
		{fair.WatchBacklogs + 1, part, false}, {fair.WatchBacklogs + 1, part - 1, false},
	} {
		s := New(Options{})
		w, _ := s.Open(owner(1), nil)
		line := forgetLine(nil, 1, appendAll)
		// Of own, two lines wait, one of which is new; the rest is being written.
		w.opening, w.sending, w.out = 0, c.own-2*len(line), append([]byte(nil), line...)
		s.backlog = c.all - len(line)
		w.tellLocked(line, 1)
		if got := len(w.out) == len(line); got != c.shorter {
			t.Errorf("%+v: %q", c, w.out)
		}
	}
}

// TestAWatchThatDoesNotReadIsNotHeard, and its connection is cut.
func TestAWatchThatDoesNotReadIsNotHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := started()
		c := up(t, s, 1)
		c.says("SEEN rev=0 hits=1")
		_ = c.conn.SetWriteDeadline(time.Now().Add(writeTimeout / 2))
		if _, err := c.conn.Write([]byte("SEEN rev=0 hits=1\n")); !errors.Is(err, os.ErrDeadlineExceeded) || s.State().Hits != 1 {
			t.Errorf("a second SEEN: %v; %d hits", err, s.State().Hits)
		}
		time.Sleep(writeTimeout)
		if err := c.ends(); !errors.Is(err, errBroken) || s.State().Open != 0 {
			t.Errorf("%v; %d watches", err, s.State().Open)
		}
	})
}

// TestHitsAreBounded: n-1, n and n+1 hits of one SEEN, and the largest number, at once and
// after a quarter of a second.
func TestHitsAreBounded(t *testing.T) {
	for after, most := range map[time.Duration]int64{0: HitsAtOnce, Length / 4: HitsAtOnce + HitsPerMicrosecond*250_000} {
		for hits, want := range map[int64]int64{most - 1: most - 1, most: most, most + 1: most, math.MaxInt64: most} {
			synctest.Test(t, func(t *testing.T) {
				s := started()
				c := up(t, s, 1)
				for n := range int64(2) { // what was counted before does not count
					time.Sleep(after)
					c.says("SEEN rev=0 hits=%d", hits)
					c.hears("OK lease=1000 rev=0")
					if got := s.State().Hits; got != uint64((n+1)*want) {
						t.Errorf("%d after %v count as %d", hits, after, got)
					}
				}
			})
		}
	}
}

// TestWatchesAreDivided: n-1, n and n+1 watches of one user, and one of another user.
func TestWatchesAreDivided(t *testing.T) {
	s := New(Options{})
	var open []*Watch
	for i := range fair.Watches().Each + 1 {
		w, ok := s.Open(owner(1), nil)
		if ok != (i < fair.Watches().Each) {
			t.Fatalf("watch %d: %v", i+1, ok)
		}
		if ok {
			open = append(open, w)
		}
	}
	w, ok := s.Open(owner(2), nil)
	if !ok {
		t.Fatal("nothing is left for another user")
	}
	for _, w := range append(open, w) {
		w.close()
		w.close()
	}
	if s.State().Open != 0 || len(s.open) != 0 || s.backlog != 0 {
		t.Errorf("%+v, a backlog of %d", s.State(), s.backlog)
	}
}
