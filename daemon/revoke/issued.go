package revoke

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// The intervals of Keep.
const (
	// noteInterval is how often what Note has learnt is saved. So it is also how much
	// of it a crash of the host can lose.
	noteInterval = time.Minute
	// sweepEvery: once in that many intervals Keep forgets revocations that are over.
	sweepEvery = 10
	// noteWait is how long Note waits until what it has learnt is saved. A disk that takes
	// longer hangs, and the lookup must not hang with it.
	noteWait = 250 * time.Millisecond
)

// latestIssue returns the greatest iat that a token issued by now can have. The
// issuer's clock may be ahead of this host's, but by at most the leeway if the tokens
// are accepted. This host's clock may have been set back since it saw some of the
// tokens. It may also be behind the clocks of the other hosts of its fleet, which accept
// what is issued later than this host thinks possible. l.mu is held.
func (l *List) latestIssue(project string, leeway time.Duration, now time.Time) int64 {
	return max(l.latest(now).Add(leeway).Unix(), l.floor.Add(leeway).Unix(), l.issuedIn(project).Load())
}

// latest returns the later of this host's time and the fleet's. What a host in a fleet
// dates by it reaches far enough on all hosts, also if this host's clock is behind. l.mu
// is held.
func (l *List) latest(now time.Time) time.Time {
	if l.common == nil {
		return now
	}
	if common := l.common(); common.After(now) {
		return common
	}
	return now
}

// issuedIn returns the greatest iat seen in a project's tokens.
func (l *List) issuedIn(project string) *atomic.Int64 {
	at, ok := l.issued.Load(project)
	if !ok {
		at, _ = l.issued.LoadOrStore(project, new(atomic.Int64))
	}
	return at.(*atomic.Int64)
}

// raise makes n at least v, and reports whether n has changed.
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

// Note learns from a verified token what decides how much revocations cover: how long
// tokens live here, and when they are issued by their issuer's clock. What it has learnt
// counts at once. If revocations have to be kept for longer because of it, Note has Keep save
// it, and waits for that for noteWait at most: otherwise a restart could forget them while
// such a token is alive.
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
		return // Keep or the next change saves it
	}
	saved, ok := l.news.demand()
	if !ok { // few lookups end after Keep, when the daemon stops
		l.mu.Lock()
		defer l.mu.Unlock()
		_ = l.save() // the next start may learn it again
		return
	}
	timer := time.NewTimer(noteWait)
	defer timer.Stop()
	select {
	case <-saved: // or could not be; Keep tries again
	case <-timer.C: // Keep still does it, as soon as the disk answers
	}
}

// news is what Note has learnt and wants to have saved at once. Safe for concurrent use.
type news struct {
	due   chan struct{} // has an element if somebody waits
	mu    sync.Mutex
	saved chan struct{} // nil: nobody waits
	over  bool          // Keep has ended, or saves for the last time
}

func (n *news) init() { n.due = make(chan struct{}, 1) }

// demand has Keep save what is known now. saved is closed when Keep has tried to. ok is false
// if Keep does not do it any more.
func (n *news) demand() (saved <-chan struct{}, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.over {
		return nil, false
	}
	if n.saved == nil {
		n.saved = make(chan struct{})
	}
	select {
	case n.due <- struct{}{}:
	default:
	}
	return n.saved, true
}

// take returns the function that tells those who wait now that Keep has tried to save what is
// known now. last says that Keep will not do it again.
func (n *news) take(last bool) (tell func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	saved := n.saved
	n.saved, n.over = nil, last
	return func() {
		if saved != nil {
			close(saved)
		}
	}
}

// Keep regularly saves what Note has learnt, until ctx ends, and then a last time.
// Otherwise, a host that has no clock of its own, or whose clock is set back while it
// is down, would revoke less than has been issued. Keep notes at once which revoked
// sessions are still in use, and saves at once what Note waits for. It also forgets
// revocations that are over.
func (l *List) Keep(ctx context.Context) {
	ticker := time.NewTicker(noteInterval)
	defer ticker.Stop()
	failed := false
	for n := 1; ; n++ {
		ended := false
		select {
		case <-ctx.Done():
			ended = true
		case <-l.sights.due:
			n-- // no interval has passed
		case <-l.news.due:
			n--
		case <-ticker.C:
			if n%sweepEvery == 1 { // for the first time soon after the start, when upstreams have been heard
				l.Sweep()
			}
		}
		tell := l.news.take(ended)
		err := errors.Join(l.renew(), l.saveNews())
		tell()
		if err != nil && !failed {
			l.log.Warn("the journal of revocations cannot be written, will be tried again: after a restart with a wrong clock a revocation would cover less; mend the state directory", "error", err)
		}
		failed = err != nil
		if ended {
			return
		}
	}
}

// Sweep forgets the revocations that are certainly over. They leave the journal when
// the journal is written anew.
func (l *List) Sweep() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if gone := l.sweep(); gone > 0 {
		l.log.Info("revocations are over and were forgotten", "number", gone)
	}
}

// saveNews saves what Note has learnt and changes that could not be saved earlier, if
// the journal does not have them yet. It also writes a journal that could not be written
// at the start or that somebody has removed, because nothing else may do so for days.
func (l *List) saveNews() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if known := l.known(); len(known.since(&l.learnt)) == 0 && !l.unsaved.Load() && l.journal.sound() {
		return nil
	}
	return l.save()
}
