package revoke

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// The rhythm of Keep.
const (
	// noteInterval is how often what was learnt of tokens is saved, so how much
	// of it the end of a host can cost.
	noteInterval = time.Minute
	// sweepEvery is after how many of these what is over is forgotten.
	sweepEvery = 10
)

// latestIssue is the greatest iat that a token issued by now can have. The
// issuer's clock may be ahead of this host's, by no more than the leeway if its
// tokens are accepted at all; and this host's clock may have been set back since
// it saw some of them.
func (l *List) latestIssue(project string, leeway time.Duration, now time.Time) int64 {
	return max(now.Add(leeway).Unix(), l.floor.Add(leeway).Unix(), l.issuedIn(project).Load())
}

// issuedIn is where the greatest iat seen of a project's tokens is kept.
func (l *List) issuedIn(project string) *atomic.Int64 {
	at, ok := l.issued.Load(project)
	if !ok {
		at, _ = l.issued.LoadOrStore(project, new(atomic.Int64))
	}
	return at.(*atomic.Int64)
}

// raise makes n at least v, and reports whether that changed it.
func raise(n *atomic.Int64, v int64) bool {
	for {
		old := n.Load()
		if v <= old {
			return false
		}
		if n.CompareAndSwap(old, v) {
			return true
		}
	}
}

// Note learns from a verified token what decides how far revocations reach: how
// long tokens live here, and when they are issued by their issuer's clock.
func (l *List) Note(t *Token) {
	started := t.Issued
	if started == 0 {
		started = t.Verified.Unix()
	}
	raise(l.issuedIn(t.Project), t.Issued)
	lifetime := t.Expires - started
	if !raise(&l.longest, lifetime) {
		return
	}
	if retain := l.retain.Load(); retain == 0 || lifetime <= retain || l.counts.session.Load()+l.counts.subject.Load() == 0 {
		return // saved by Keep, or with the next change
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.save() // what fails is tried again with the next change
}

// Keep saves now and then what Note has learnt, until ctx ends, and then once
// more: a host whose clock is set back while it is down, or has no clock of its
// own, would else revoke less than has been issued. At once it notes which revoked
// sessions are still in use. It also forgets what is over.
func (l *List) Keep(ctx context.Context) {
	ticker := time.NewTicker(noteInterval)
	defer ticker.Stop()
	failed := false
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
		case <-l.sights.due:
			n-- // not a minute
		case <-ticker.C:
			if n%sweepEvery == 1 { // the first time soon after the start, when upstreams have been heard
				l.Sweep()
			}
		}
		err := errors.Join(l.renew(), l.saveNews())
		if err != nil && !failed {
			l.log.Warn("what was learnt of tokens is not saved, will be tried again: after a restart with a wrong clock a revocation would cover less; mend the state directory", "error", err)
		}
		failed = err != nil
		if ctx.Err() != nil {
			return
		}
	}
}

// Sweep forgets the revocations that are over, as far as that is certain. They
// leave the journal when it is written anew.
func (l *List) Sweep() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if gone := l.sweep(); gone > 0 {
		l.log.Info("revocations are over and were forgotten", "number", gone)
	}
}

// saveNews saves what Note has learnt, and changes that could not be saved, if that is
// not in the journal yet.
func (l *List) saveNews() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if known := l.known(); len(known.since(&l.learnt)) == 0 && !l.unsaved {
		return nil
	}
	return l.save()
}
