package daemon

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Bounds of revocations.
const (
	// MaxRevocations is how many can be in force at once.
	MaxRevocations = 100_000
	// minRetention is how long a revocation of a session or a subject is kept
	// at least; longer if tokens that live longer have been seen.
	minRetention = 24 * time.Hour
	// noteInterval is how often what was learnt of tokens is saved, so how much
	// of it the end of a host can cost.
	noteInterval = time.Minute
)

// The kinds of revocation, as the protocol spells them.
const (
	revokeToken   = "token"
	revokeSession = "session"
	revokeSubject = "subject"
	revokeKey     = "key"
)

var errTooManyRevocations = errors.New("no room for more revocations; revoke the key, or take others back")

// mark names what is revoked in which project. A token's value is the hex
// SHA-256 of what its signature covers, so that the other valid ECDSA signature
// of the same text is revoked with it.
type mark struct {
	Kind    string `json:"kind"`
	Project string `json:"project"`
	Value   string `json:"value"`
}

// revocation is one mark's term. It never changes.
type revocation struct {
	at    int64 // Unix seconds; a subject's tokens are covered whose iat is not later
	until int64 // Unix seconds after which no covered token can be alive; 0 = for ever
}

// revocations are what must not be accepted whatever the upstream says. They
// are in force before revoke returns, and survive a restart. Asking takes no
// lock and, while there are none of a kind, costs one load. Safe for concurrent
// use.
type revocations struct {
	now     func() time.Time
	most    int64    // how many can be in force at once
	marks   sync.Map // mark -> revocation
	counts  struct{ token, session, subject, key, all atomic.Int64 }
	longest atomic.Int64 // lifetime of the longest-lived token seen, in seconds
	issued  sync.Map     // project name -> *atomic.Int64, the greatest iat seen of its tokens

	mu      sync.Mutex // serialises changes
	journal *journal
}

// newRevocations returns what the journal at path holds. A damaged journal is an
// error: starting without it would let revoked tokens in.
func newRevocations(path string, now func() time.Time) (*revocations, error) {
	r := &revocations{now: now, most: MaxRevocations, journal: &journal{path: path, issued: map[string]int64{}}}
	lines, err := r.journal.read()
	if err != nil {
		return nil, fmt.Errorf("revocations: %w", err)
	}
	for _, l := range lines {
		switch l.Op {
		case opRevoke:
			r.put(l.mark, revocation{l.At, l.Until})
		case opUnrevoke:
			r.drop(l.mark)
		case opLongest:
			r.longest.Store(l.Until)
		case opIssued:
			raise(r.issuedIn(l.Project), l.At)
		}
	}
	r.sweep()
	return r, nil
}

func (r *revocations) count(kind string) *atomic.Int64 {
	switch kind {
	case revokeToken:
		return &r.counts.token
	case revokeSession:
		return &r.counts.session
	case revokeSubject:
		return &r.counts.subject
	default:
		return &r.counts.key
	}
}

// put adds or replaces; r.mu is held, or nobody else has r yet.
func (r *revocations) put(m mark, v revocation) {
	if _, there := r.marks.Swap(m, v); !there {
		r.count(m.Kind).Add(1)
		r.counts.all.Add(1)
	}
}

func (r *revocations) drop(m mark) {
	if _, there := r.marks.LoadAndDelete(m); there {
		r.count(m.Kind).Add(-1)
		r.counts.all.Add(-1)
	}
}

// revoke puts m in force until then (zero: as long as tokens live here) and
// saves it. leeway is how far ahead of this host's clock iat may be in m's
// project. changed is false when it was in force already. An error wrapping
// errNotSaved leaves it in force.
func (r *revocations) revoke(m mark, leeway time.Duration, until time.Time) (changed bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v := revocation{at: r.latestIssue(m.Project, leeway)}
	switch {
	case !until.IsZero():
		v.until = until.Unix()
	case m.Kind != revokeKey:
		v.until = r.retain(v.at)
	}
	if old, there := r.marks.Load(m); there {
		before := old.(revocation)
		// What was issued since the last time is covered anew, and for as long.
		v = revocation{max(before.at, v.at), max(before.until, v.until)}
		if m.Kind == revokeToken { // one token is issued once
			v.at = before.at
		}
		if m.Kind == revokeKey || v == before {
			return false, r.journal.settle(r)
		}
		r.put(m, v)
		return m.Kind == revokeSubject && v.at > before.at, r.journal.append(r, line{Op: opRevoke, mark: m, At: v.at, Until: v.until})
	}
	if r.counts.all.Load() >= r.most {
		if r.sweep(); r.counts.all.Load() >= r.most {
			return false, errTooManyRevocations
		}
	}
	r.put(m, v)
	return true, r.journal.append(r, line{Op: opRevoke, mark: m, At: v.at, Until: v.until})
}

// unrevoke takes m back and saves that.
func (r *revocations) unrevoke(m mark) (changed bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, there := r.marks.Load(m); !there {
		return false, r.journal.settle(r)
	}
	r.drop(m)
	return true, r.journal.append(r, line{Op: opUnrevoke, mark: m})
}

// latestIssue is the greatest iat that a token issued by now can have. The
// issuer's clock may be ahead of this host's, by no more than the leeway if its
// tokens are accepted at all; and this host's clock may have been set back since
// it saw some of them.
func (r *revocations) latestIssue(project string, leeway time.Duration) int64 {
	return max(r.now().Add(leeway).Unix(), r.issuedIn(project).Load())
}

// issuedIn is where the greatest iat seen of a project's tokens is kept.
func (r *revocations) issuedIn(project string) *atomic.Int64 {
	at, ok := r.issued.Load(project)
	if !ok {
		at, _ = r.issued.LoadOrStore(project, new(atomic.Int64))
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

// retain is until when a session's or subject's revocation of the instant at
// has to be kept, as far as is known now.
func (r *revocations) retain(at int64) int64 {
	return at + max(int64(minRetention/time.Second), r.longest.Load()+1)
}

// sweep forgets what no living token can be covered by. r.mu is held, or nobody
// else has r yet.
func (r *revocations) sweep() {
	now := r.now().Unix()
	r.marks.Range(func(k, v any) bool {
		m, term := k.(mark), v.(revocation)
		until := term.until
		if m.Kind == revokeSession || m.Kind == revokeSubject {
			// Longer-lived tokens may have been seen since.
			until = max(until, r.retain(term.at))
		}
		if until != 0 && until <= now {
			r.drop(m)
		}
		return true
	})
}

// note learns from a verified token what decides how far revocations reach: how
// long tokens live here, and when they are issued by their issuer's clock.
func (r *revocations) note(e *entry) {
	started := e.issued
	if started == 0 {
		started = e.established.Unix()
	}
	raise(r.issuedIn(e.project.name), e.issued)
	lifetime := e.expires - started
	if !raise(&r.longest, lifetime) {
		return
	}
	if lifetime <= int64(minRetention/time.Second) || r.counts.session.Load()+r.counts.subject.Load() == 0 {
		return // saved by keep, or with the next change
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = r.journal.append(r) // what fails is tried again with the next change
}

// keep saves now and then what note has learnt, until ctx ends: a host whose
// clock is set back while it is down, or has no clock of its own, would else
// revoke less than has been issued.
func (r *revocations) keep(ctx context.Context, log *slog.Logger) {
	ticker := time.NewTicker(noteInterval)
	defer ticker.Stop()
	for failed := false; ; {
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
		err := r.saveNews()
		if err != nil && !failed {
			log.Warn("what was learnt of tokens is not saved, will be tried again: after a restart with a wrong clock a revocation would cover less; mend the state directory", "error", err)
		}
		failed = err != nil
		if ctx.Err() != nil {
			return
		}
	}
}

// saveNews saves what note has learnt, if that is not in the journal yet.
func (r *revocations) saveNews() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.journal.news(r)) == 0 {
		return nil
	}
	return r.journal.append(r)
}

// cover reports whether the token, whose claims are e's, is revoked.
func (r *revocations) cover(e *entry, token []byte) bool {
	if r.counts.all.Load() == 0 {
		return false
	}
	project := e.project.name
	if r.counts.subject.Load() > 0 {
		if v, ok := r.find(mark{revokeSubject, project, e.subject}); ok && e.issued <= v.at {
			return true
		}
	}
	if r.counts.session.Load() > 0 && e.session != "" && r.has(mark{revokeSession, project, e.session}) {
		return true
	}
	if r.counts.key.Load() > 0 && e.key != nil &&
		(r.has(mark{revokeKey, project, e.key.ID()}) || r.has(mark{revokeKey, project, e.key.Thumbprint()})) {
		return true
	}
	return r.counts.token.Load() > 0 && r.has(mark{revokeToken, project, signedDigest(token)})
}

func (r *revocations) has(m mark) bool {
	_, ok := r.find(m)
	return ok
}

// find returns what is kept under m, past its term or not: as long as it is
// here, a token that it covers shows that the term was too short.
func (r *revocations) find(m mark) (revocation, bool) {
	v, ok := r.marks.Load(m)
	if !ok {
		return revocation{}, false
	}
	return v.(revocation), true
}

// signedDigest is the hex SHA-256 of what a token's signature covers.
func signedDigest(token []byte) string {
	if dot := bytes.LastIndexByte(token, '.'); dot >= 0 {
		token = token[:dot]
	}
	sum := sha256.Sum256(token)
	return hex.EncodeToString(sum[:])
}
