package revoke

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/neonauthd/neonauthd/internal/e2e"
)

// keeping has Keep run until end is called or the test ends.
func keeping(t *testing.T, l *List) (end func()) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { l.Keep(ctx) })
	end = func() {
		stop()
		running.Wait()
	}
	t.Cleanup(end)
	return end
}

// TestALookupDoesNotHangWithTheDisk: its token lives longer than any that was seen before, so
// revocations have to be kept for longer. A change is being saved to a disk that does not
// answer, and that fact with it when the disk answers again.
func TestALookupDoesNotHangWithTheDisk(t *testing.T) {
	s := newShelf(t)
	r := s.open()
	s.revoke(r, Mark{KindSession, "main", "s"})
	keeping(t, r)
	const long = 90 * 24 * time.Hour
	see := func(lifetime time.Duration) <-chan struct{} {
		noted := make(chan struct{})
		go func() {
			defer close(noted)
			r.Note(&Token{Project: "main", Issued: s.now().Unix(), Expires: s.now().Add(lifetime).Unix(), Verified: s.now()})
		}()
		return noted
	}
	r.mu.Lock() // as a change that is being saved
	for _, noted := range []<-chan struct{}{see(long - time.Hour), see(long)} {
		select {
		case <-noted:
		case <-time.After(30 * time.Second):
			r.mu.Unlock()
			t.Fatal("the lookup hangs")
		}
	}
	r.mu.Unlock()
	e2e.Until(t, "it is saved", func() bool {
		return strings.Contains(s.text(), fmt.Sprint(int64(long/time.Second)))
	})
}

// TestALookupThatEndsAfterKeepSavesItself what it has shown: nobody else does it any more.
func TestALookupThatEndsAfterKeepSavesItself(t *testing.T) {
	s := newShelf(t)
	r := s.open()
	s.revoke(r, Mark{KindSession, "main", "s"})
	keeping(t, r)()
	const long = 90 * 24 * time.Hour
	r.Note(&Token{Project: "main", Issued: s.now().Unix(), Expires: s.now().Add(long).Unix(), Verified: s.now()})
	if !strings.Contains(s.text(), fmt.Sprint(int64(long/time.Second))) {
		t.Error("it is not saved")
	}
}

// TestTheGreatestIatIsSavedNowAndThen, and when the daemon stops: once for each
// change. A failure to save is logged once.
func TestTheGreatestIatIsSavedNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf(t)
		log := &strings.Builder{}
		r, err := Open(s.state, Options{Now: time.Now, Log: slog.New(slog.NewTextHandler(log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			r.Keep(ctx)
		}()
		saved := func() int64 {
			again, err := Open(s.state, Options{Now: time.Now})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = again.Close() }()
			return again.issuedIn("main").Load()
		}
		see := func(issued int64) {
			r.Note(&Token{Project: "main", Issued: issued, Expires: issued + 60, Verified: time.Now()})
		}
		see(1000)
		see(900)
		time.Sleep(noteInterval + time.Second)
		if at := saved(); at != 1000 {
			t.Errorf("a minute later: %d is saved, want 1000", at)
		}
		size := len(s.text())
		time.Sleep(10 * noteInterval)
		if len(s.text()) != size {
			t.Error("written without a change")
		}
		mend := s.block()
		see(2000)
		time.Sleep(3 * noteInterval)
		synctest.Wait()
		if n := strings.Count(log.String(), "level=WARN"); n != 1 {
			t.Errorf("told %d times: %s", n, log)
		}
		if r.Unsaved() {
			t.Error("a revocation is said to be unsaved, and there is none")
		}
		mend()
		see(3000)
		stop()
		<-done
		if at := saved(); at != 3000 {
			t.Errorf("after the end: %d is saved, want 3000", at)
		}
		if err := r.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			t.Error(err)
		}
	})
}
