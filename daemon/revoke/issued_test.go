package revoke

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestTheGreatestIatIsSavedNowAndThen and when the daemon stops, once for each
// change of it, and its failure is told once.
func TestTheGreatestIatIsSavedNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf(t)
		r, err := Open(s.dir, Options{Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		log := &strings.Builder{}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			r.Keep(ctx, slog.New(slog.NewTextHandler(log, nil)))
		}()
		saved := func() int64 {
			again, err := Open(s.dir, Options{Now: time.Now})
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
		<-time.After(noteInterval + time.Second)
		if at := saved(); at != 1000 {
			t.Errorf("a minute later: %d is saved, want 1000", at)
		}
		size := len(s.text())
		<-time.After(10 * noteInterval)
		if len(s.text()) != size {
			t.Error("written without a change")
		}
		r.mu.Lock()
		r.journal.broken = true // so that the file is written anew, in a folder that is not there
		r.mu.Unlock()
		dir := filepath.Dir(s.path)
		if err := os.Rename(dir, dir+"-away"); err != nil {
			t.Fatal(err)
		}
		see(2000)
		<-time.After(3 * noteInterval)
		if n := strings.Count(log.String(), "level=WARN"); n != 1 {
			t.Errorf("told %d times: %s", n, log)
		}
		if r.Unsaved() {
			t.Error("a revocation is said to be unsaved, and there is none")
		}
		if err := os.Rename(dir+"-away", dir); err != nil {
			t.Fatal(err)
		}
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
