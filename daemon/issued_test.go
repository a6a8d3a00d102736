package daemon

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

	"github.com/neonauthd/neonauthd/daemon/standin"
)

// TestARevokedSubjectsTokensAreCoveredThatCanHaveBeenIssued: their iat is by the
// issuer's clock, which may be ahead of this host's, and this host's may have
// been set back.
func TestARevokedSubjectsTokensAreCoveredThatCanHaveBeenIssued(t *testing.T) {
	const hour = time.Hour
	for _, c := range []struct {
		name    string
		ahead   time.Duration   // of the clock when the token is issued
		seen    bool            // before the revocation, by this host
		other   time.Duration   // how far ahead another user's token is that was seen; 0: none
		setBack time.Duration   // of this host's clock, before the revocation
		again   bool            // taken back and revoked again
		restart bool            // between the clock's step and the revocation
		later   []time.Duration // after which the token is asked for again
	}{
		{name: "the issuer's clock is right", seen: true},
		{name: "the issuer's clock is ahead", ahead: 4 * time.Second, later: []time.Duration{4 * time.Second, time.Minute}},
		{name: "as far ahead as the leeway", ahead: testLeeway, later: []time.Duration{testLeeway, time.Minute}},
		{name: "ahead, and seen", ahead: testLeeway, seen: true, later: []time.Duration{testLeeway}},
		{name: "ahead, revoked again", ahead: testLeeway, again: true, later: []time.Duration{testLeeway}},
		{name: "own clock set back", seen: true, setBack: hour, later: []time.Duration{hour}},
		{name: "own clock set back, another user's token seen", other: time.Second, setBack: hour, later: []time.Duration{hour}},
		{name: "own clock set back, revoked again", other: time.Second, setBack: hour, again: true, later: []time.Duration{hour}},
		{name: "own clock set back while stopped", other: time.Second, setBack: hour, restart: true, later: []time.Duration{hour}},
		{name: "own clock set back to 1970", other: time.Second, setBack: 56 * 365 * 24 * hour, restart: true, later: []time.Duration{56 * 365 * 24 * hour}},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := newDesk(t, nil)
			issued := k.clock.now()
			ask := func(token string) Verdict { return k.ask(k.project("stack"), token) }
			token := k.upstream.StackToken(standin.TokenSpec{Subject: "ada", IssuedAt: issued.Add(c.ahead), Lifetime: 3 * hour})
			if c.other > 0 {
				wantAccepted(t, "another user's", ask(k.upstream.StackToken(standin.TokenSpec{Subject: "bob", IssuedAt: issued.Add(c.other)})))
			}
			if c.seen {
				wantAccepted(t, "before", ask(token))
			}
			if c.restart {
				k.restart()
			}
			k.clock.advance(-c.setBack)
			k.revoke("subject", "ada", true)
			if c.again {
				k.unrevoke("subject", "ada", true)
				k.revoke("subject", "ada", true)
			}
			for _, d := range append([]time.Duration{0}, c.later...) {
				k.clock.advance(issued.Add(d - c.setBack).Sub(k.clock.now()))
				if v := ask(token); v.Outcome == Accepted {
					t.Errorf("after %v: accepted", d)
				}
			}
			k.clock.advance(issued.Add(testLeeway + 2*time.Second).Sub(k.clock.now()))
			wantAccepted(t, "one that was issued later", ask(k.token("ada")))
			wantReason(t, "in the end", ask(token), Rejected, Revoked)
		})
	}
}

// restart ends the desk's daemon in good order and makes another of its state.
func (k *desk) restart() {
	k.t.Helper()
	if err := errors.Join(k.daemon.revocations.saveNews(), k.daemon.close()); err != nil {
		k.t.Fatal(err)
	}
	var err error
	if k.daemon, err = New(k.daemon.state.Load().config, Options{Now: k.clock.now}); err != nil {
		k.t.Fatal(err)
	}
	k.giveKeys(k.project("stack"))
	k.giveKeys(k.project("neon"))
}

// TestTheGreatestIatIsSavedNowAndThen and when the daemon stops, once for each
// change of it, and its failure is told once.
func TestTheGreatestIatIsSavedNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf(t)
		s.clock = nil
		r, err := newRevocations(s.path, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		log := &logBuffer{}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			r.keep(ctx, slog.New(slog.NewTextHandler(log, nil)))
		}()
		saved := func() int64 {
			again, err := newRevocations(s.path, time.Now)
			if err != nil {
				t.Fatal(err)
			}
			return again.issuedIn("main").Load()
		}
		see := func(issued int64) {
			r.note(&entry{project: &project{name: "main"}, issued: issued, expires: issued + 60, established: time.Now()})
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
		r.journal.dirty = true // so that the file is written anew, in a folder that is not there
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
		if r.unsaved() {
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
		if err := r.journal.close(); err != nil && !errors.Is(err, os.ErrClosed) {
			t.Error(err)
		}
	})
}
