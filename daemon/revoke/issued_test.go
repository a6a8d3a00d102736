package revoke

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

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
