// Package revoke holds the list of revocations. Every lookup asks the list, and a
// revoked token is not accepted whatever the upstream says. The journal is the file
// that keeps the list over a restart.
package revoke

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/neonauthd/neonauthd/daemon/clock"
	"github.com/neonauthd/neonauthd/daemon/statedir"
)

// Max is how many revocations can be in force at once.
const Max = 100_000

// The errors that callers tell apart.
var (
	// ErrFull says that there is no room for a revocation, which was therefore not made: Max are in force, or
	// for End only Reserve fewer.
	ErrFull = errors.New("no room for more revocations; revoke the key, or take others back")
	// ErrNotSaved says that a change is in force but would not survive a restart.
	ErrNotSaved = errors.New("in force, but not saved")
)

// revocation is the term and the origin of one mark. It never changes.
type revocation struct {
	at    int64 // Unix seconds; a mark of a dated kind covers tokens whose iat is not later
	until int64 // Unix seconds: the mark is kept at least until then, for example until the token's exp; 0 = not known, or see Never
	since int64 // nanoseconds after the list was opened: when this process made it; 0 = read from the journal

	made   int64 // Unix seconds: when the revocation was made; 0 = not known
	origin Origin

	// Only on a host in a fleet, see Shared; else 0.
	revoked, undone uint64
}

// Origin is who asked for a revocation, and why. The zero value: it was made on another host, or by an earlier
// version.
type Origin struct {
	By     string // the caller's user id, as digits
	Reason string // at most MaxReason bytes; "": none was given
}

// MaxReason is the longest reason, in bytes: as long as in a request (protocol.MaxReason).
const MaxReason = 256

// List is the list of revocations: what must not be accepted whatever the upstream says. A revocation is in
// force before Revoke returns, and survives a restart. Covers costs one load for each kind without
// revocations, and takes a lock only if a revoked session is seen again after renewInterval. A List is safe for concurrent use.
type List struct {
	now     func() time.Time
	wall    *clock.Wall
	floor   time.Time // the clock cannot rightly show an earlier time
	opened  time.Time // with both readings
	most    int64     // how many can be in force at once
	stamp   func(m Mark, known uint64) uint64
	common  func() time.Time // nil: no fleet
	marks   sync.Map         // Mark -> revocation
	counts  struct{ token, session, sessionless, subject, key, all atomic.Int64 }
	retain  atomic.Int64                             // how long a revocation without until is kept, in seconds; 0 = for ever
	longest atomic.Int64                             // lifetime of the longest-lived token seen, in seconds
	issued  sync.Map                                 // project name -> *atomic.Int64, the greatest iat seen in its tokens
	terms   atomic.Pointer[map[string]time.Duration] // of sessions, see SetSessionLifetimes
	sights  sights
	news    news
	faults  sync.Map // Fault -> struct{}

	log     *slog.Logger
	mu      sync.Mutex // serialises changes
	journal *journal
	past    past
	unsaved atomic.Bool // a change is in force that could not be saved; set with mu held
	touched bool        // somebody else changed the journal, and it is not written anew yet
	learnt  facts       // the part of longest and issued that is in the journal
}

// Options are the settings of a list.
type Options struct {
	// Now is the clock. It is required.
	Now func() time.Time
	// Wall knows how far the clock is confirmed, which decides when a revocation may be forgotten. nil: no upstream
	// has been heard.
	Wall *clock.Wall
	// ClockFloor is the earliest time that a right clock can show.
	ClockFloor time.Time
	// Retention is how long a revocation is kept if the end of the last token that it covers is not known, as
	// for a session or a subject. 0: it is kept until it is taken back. See SetRetention.
	Retention time.Duration
	// Stamp is as for SetStamp; nil: no fleet.
	Stamp func(m Mark, known uint64) uint64
	// Log gets a line for each thing that an operator has to know; nil: nothing is logged.
	Log *slog.Logger
}

// Open returns the list in the journal of dir, and begins a journal if there is none. A damaged journal is an
// error: a start without it would let revoked tokens in. If the journal cannot be written, this is no error, but
// it is logged. The caller has to close the list.
func Open(dir *statedir.Dir, o Options) (*List, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Wall == nil {
		o.Wall = &clock.Wall{}
	}
	l := &List{now: o.Now, wall: o.Wall, floor: o.ClockFloor, opened: o.Now(), log: o.Log, most: Max, stamp: o.Stamp, learnt: newFacts()}
	l.sights.init()
	l.news.init()
	l.journal = newJournal(dir)
	l.SetRetention(o.Retention)
	found, err := l.journal.load(l.replay)
	if err != nil {
		return nil, fmt.Errorf("revocations: %w", errors.Join(err, l.journal.close()))
	}
	for _, f := range found {
		l.tell(f)
	}
	// Nothing is forgotten now: the clock may be wrong, and no upstream has been heard.
	if !l.journal.sound() {
		if err := l.save(); err != nil && dir.Writable() == nil {
			l.log.Error("journal of revocations cannot be written: what is revoked from now on will not survive a restart; mend the state directory", "error", err)
		}
	}
	return l, nil
}

// replay applies a line of the journal.
func (l *List) replay(one *line) {
	switch one.Op {
	case opRevoke:
		l.keep(one.Mark, revocation{at: one.At, until: one.Until, made: one.Made, origin: Origin{one.By, one.Reason}, revoked: one.Revoked, undone: one.Undone})
	case opUnrevoke, opPurge:
		l.drop(one.Mark)
		if v := (revocation{at: one.At, until: one.Until, revoked: one.Revoked, undone: one.Undone}); v.stamped() {
			l.past.put(one.Mark, v)
		}
	case opLongest:
		l.longest.Store(one.Until)
		l.learnt.note(one)
	case opIssued:
		raise(l.issuedIn(one.Project), one.At)
		l.learnt.note(one)
	}
}

func (l *List) count(kind Kind) *atomic.Int64 {
	switch kind {
	case KindToken:
		return &l.counts.token
	case KindSession:
		return &l.counts.session
	case KindSessionless:
		return &l.counts.sessionless
	case KindSubject:
		return &l.counts.subject
	default:
		return &l.counts.key
	}
}

// put adds or replaces; l.mu is held, or no other goroutine has l yet.
func (l *List) put(m Mark, v revocation) {
	if _, there := l.marks.Swap(m, v); !there {
		l.count(m.Kind).Add(1)
		l.counts.all.Add(1)
	}
}

func (l *List) drop(m Mark) {
	if _, there := l.marks.LoadAndDelete(m); there {
		l.count(m.Kind).Add(-1)
		l.counts.all.Add(-1)
	}
}

// Revoke puts m in force, and saves it. until is the exp of a token; it is zero for all other kinds, and if exp
// is not known. leeway is how far iat may be ahead of this host's clock in m's project. o is kept for List.Page;
// if m is in force already, o replaces the first origin only if it has a reason. changed is false if m was in
// force already and covers no more tokens than before. After an error that wraps ErrNotSaved, m is in force.
func (l *List) Revoke(m Mark, o Origin, leeway time.Duration, until time.Time) (changed bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	v := l.begun(now, o)
	v.at = l.latestIssue(m.Project, leeway, now)
	if !until.IsZero() {
		v.until = until.Unix()
	}
	before, there := l.find(m)
	if !there {
		return l.add(m, v, l.most)
	}
	// A repeated revocation also covers tokens issued since the last one, and ends at the later of the two ends.
	v.at, v.until = max(before.at, v.at), max(before.until, v.until)
	if m.Kind == KindToken || m.Kind == KindKey { // one token is issued once, and a key signs at any time
		v.at = before.at
	}
	if o.Reason == "" {
		v.origin = before.origin
	}
	return l.extend(m, v, before)
}

// begun returns a revocation that is made now. l.mu is held.
func (l *List) begun(now time.Time, o Origin) revocation {
	return revocation{since: int64(clock.Awake(l.opened, now)), made: now.Unix(), origin: o}
}

// add puts m in force, which was not in force, unless already most revocations are. l.mu is held.
func (l *List) add(m Mark, v revocation, most int64) (changed bool, err error) {
	if !l.hasRoom(most) {
		return false, ErrFull
	}
	before, _ := l.past.get(m)
	l.stampNew(m, &v, before)
	l.past.drop(m)
	l.put(m, v)
	return true, l.save(v.line(m))
}

// hasRoom reports whether fewer than most revocations are in force, and forgets those that are over if it needs to.
// l.mu is held.
func (l *List) hasRoom(most int64) bool {
	if l.counts.all.Load() >= most {
		l.sweep()
	}
	return l.counts.all.Load() < most
}

// extend replaces before, which is in force, by v, and reports whether the mark covers more tokens. l.mu is
// held.
func (l *List) extend(m Mark, v, before revocation) (changed bool, err error) {
	v.made = before.made
	if v.at == before.at && v.until == before.until && v.origin == before.origin {
		return false, l.settle()
	}
	l.stampNew(m, &v, before)
	l.put(m, v)
	return v.coversMore(m, before), l.save(v.line(m))
}

// Unrevoke takes m back, and saves the change.
func (l *List) Unrevoke(m Mark) (changed bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	old, there := l.marks.Load(m)
	if !there {
		return false, l.settle()
	}
	l.drop(m)
	return true, l.save(l.takeBack(m, old.(revocation)))
}

// SetRetention changes how long revocations are kept; see Options. If longer-lived tokens were seen, revocations
// are kept longer than d.
func (l *List) SetRetention(d time.Duration) { l.retain.Store(int64(d / time.Second)) }

// ends returns when a revocation has covered everything that it can cover, in Unix seconds. never is true if
// there is no such time, as for a key, which can sign again and again.
func (l *List) ends(m Mark, v revocation) (at int64, never bool) {
	retain := l.retain.Load()
	switch {
	case m.Kind == KindKey:
		return 0, true
	case isPurge(m.Kind):
		return v.until, false
	case m.Kind == KindToken && v.until != 0:
		return v.until, false
	case retain == 0:
		return 0, true
	}
	// Longer-lived tokens may have been seen since. A journal of version 1 says until when the revocation was to
	// be kept.
	term := max(retain, l.longest.Load()+1)
	switch m.Kind {
	case KindSessionless: // an issuer may make one at each sign-out, so there may be many
		term = l.tokenLife()
	case KindSession:
		more, never := l.sessionTerm(m.Project)
		if never {
			return 0, true
		}
		term = max(term, more)
	default:
	}
	return max(v.until, v.at+term), false
}

// anyLeeway is more than any leeway can be. A mark's at may be later than the time when the mark was made, by up to
// the leeway.
const anyLeeway = 5 * time.Minute

// sweep forgets the revocations that can cover no living token, if this is certain. A clock that is wrong, at a
// start or after a step, forgets nothing. gone is how many were forgotten. l.mu is held.
func (l *List) sweep() (gone int) {
	now := l.now()
	l.marks.Range(func(k, v any) bool {
		m, one := k.(Mark), v.(revocation)
		at, never := l.ends(m, one)
		if never || at > now.Unix() {
			return true
		}
		if l.sights.has(m) { // its end is about to be put off
			return true
		}
		term := time.Duration(at-one.at)*time.Second + anyLeeway
		if l.wall.Passed(time.Unix(at, 0), l.opened.Add(time.Duration(one.since)), term, now) {
			l.drop(m)
			gone++
		}
		return true
	})
	l.sweepPast(now)
	return gone
}

// Covers reports whether the token is revoked.
func (l *List) Covers(t *Token) bool {
	if l.counts.all.Load() == 0 {
		return false
	}
	if l.counts.session.Load() > 0 && t.Session != "" { // first, so that each use of a revoked session is noticed
		m := Mark{KindSession, t.Project, t.Session}
		if v, ok := l.find(m); ok {
			l.sighted(m, v)
			return true
		}
	}
	if l.counts.sessionless.Load() > 0 && t.Session == "" {
		if v, ok := l.find(Mark{KindSessionless, t.Project, t.Subject}); ok && t.Issued <= v.at {
			return true
		}
	}
	if l.counts.subject.Load() > 0 {
		if v, ok := l.find(Mark{KindSubject, t.Project, t.Subject}); ok && t.Issued <= v.at {
			return true
		}
	}
	if l.counts.key.Load() > 0 && t.Thumbprint != "" &&
		(l.Has(Mark{KindKey, t.Project, t.KeyID}) || l.Has(Mark{KindKey, t.Project, t.Thumbprint})) {
		return true
	}
	return l.counts.token.Load() > 0 && l.Has(Mark{KindToken, t.Project, t.Signed})
}

// Has reports whether the list has m. It is safe for concurrent use.
func (l *List) Has(m Mark) bool {
	_, ok := l.find(m)
	return ok
}

// find returns the revocation under m, even if its term is over: while the list still has it, a token that it
// covers shows that the term was too short.
func (l *List) find(m Mark) (revocation, bool) {
	v, ok := l.marks.Load(m)
	if !ok {
		return revocation{}, false
	}
	return v.(revocation), true
}

// Len returns how many revocations are in force.
func (l *List) Len() int { return int(l.counts.all.Load()) }

// Count returns how many revocations of one kind are in force.
func (l *List) Count(kind Kind) int { return int(l.count(kind).Load()) }

// Unsaved reports whether a change is in force that could not be saved. It takes no
// lock: it does not wait for changes that are being saved.
func (l *List) Unsaved() bool { return l != nil && l.unsaved.Load() }

// Close closes the journal. Everything in it has been saved.
func (l *List) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.journal.close()
}
