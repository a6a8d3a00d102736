package revoke

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

// noteInterval is how often what was learnt of tokens is saved, so how much of
// it the end of a host can cost.
const noteInterval = time.Minute

// latestIssue is the greatest iat that a token issued by now can have. The
// issuer's clock may be ahead of this host's, by no more than the leeway if its
// tokens are accepted at all; and this host's clock may have been set back since
// it saw some of them.
func (l *List) latestIssue(project string, leeway time.Duration) int64 {
	return max(l.now().Add(leeway).Unix(), l.issuedIn(project).Load())
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
// own, would else revoke less than has been issued.
func (l *List) Keep(ctx context.Context, log *slog.Logger) {
	ticker := time.NewTicker(noteInterval)
	defer ticker.Stop()
	for failed := false; ; {
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
		err := l.saveNews()
		if err != nil && !failed {
			log.Warn("what was learnt of tokens is not saved, will be tried again: after a restart with a wrong clock a revocation would cover less; mend the state directory", "error", err)
		}
		failed = err != nil
		if ctx.Err() != nil {
			return
		}
	}
}

// saveNews saves what Note has learnt, if that is not in the journal yet.
func (l *List) saveNews() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if known := l.known(); len(known.since(&l.learnt)) == 0 {
		return nil
	}
	return l.save()
}
