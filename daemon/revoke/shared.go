package revoke

import (
	"errors"
	"iter"
	"math"
	"time"

	"github.com/neonauthd/neonauthd/daemon/clock"
)

// The kinds of purge. A host in a fleet keeps purges as marks: they end shared
// profiles, and a host that was away must learn of them.
const (
	KindPurgeAll     Kind = "purge-all"
	KindPurgeSubject Kind = "purge-subject"
	KindPurgeToken   Kind = "purge-token"
)

func isPurge(kind Kind) bool {
	return kind == KindPurgeAll || kind == KindPurgeSubject || kind == KindPurgeToken
}

// Never is the Until of a mark that is kept until it is taken back.
const Never int64 = math.MaxInt64

// pastKept is how long a purge, or a revocation that was taken back, is kept after
// its end. For so long a host that was away may tell an older state of it.
const pastKept = time.Hour

// MaxPast is how many purges, and revocations that were taken back, are kept at
// once. Beyond it no further ones are kept: then another host may bring back a
// revocation that was taken back here.
const MaxPast = Max

// Shared is a mark as the hosts of a fleet tell it to each other. Its values only
// grow: of two states, the larger value of each field counts. A revocation is taken
// back by its stamp, so a newer revocation of the same mark, made on another host
// meanwhile, stays in force.
type Shared struct {
	Mark
	Revoked uint64 // stamp of the newest revocation or purge; 0: none
	Undone  uint64 // stamp of the newest revocation that was taken back
	At      int64  // Unix seconds; covers a subject's tokens whose iat is not later
	Until   int64  // Unix seconds, or Never
}

// join returns v with the larger value of each field.
func (v revocation) join(other revocation) revocation {
	v.at, v.until = max(v.at, other.at), max(v.until, other.until)
	v.revoked, v.undone = max(v.revoked, other.revoked), max(v.undone, other.undone)
	return v
}

// coversMore reports whether v, which is in force in place of before, covers more tokens. A
// revocation of a token, a session or a key covers the same ones whenever it was made.
func (v revocation) coversMore(m Mark, before revocation) bool {
	return m.Kind.dated() && v.at > before.at
}

// stamped reports whether a fleet has ever known v. Only then do the stamps of v say whether it is in force.
func (v revocation) stamped() bool { return v.revoked > 0 || v.undone > 0 }

// takenBack reports whether the newest revocation of v, or a later one that is not known here, was taken back.
func (v revocation) takenBack() bool { return v.stamped() && v.revoked <= v.undone }

func (v revocation) line(m Mark) line {
	one := line{Op: opRevoke, Mark: m, At: v.at, Until: v.until, Revoked: v.revoked, Undone: v.undone}
	switch {
	case isPurge(m.Kind):
		one.Op = opPurge
	case v.takenBack():
		one.Op = opUnrevoke
	default:
		one.Made, one.By, one.Reason = v.made, v.origin.By, v.origin.Reason
	}
	return one
}

// keep puts v into the list if it is in force, and otherwise into past. l.mu is
// held, or no other goroutine has l yet.
func (l *List) keep(m Mark, v revocation) {
	if isPurge(m.Kind) || v.takenBack() {
		l.drop(m)
		if _, there := l.past.get(m); there || l.past.len() < MaxPast {
			l.past.put(m, v)
		}
		return
	}
	l.past.drop(m)
	l.put(m, v)
}

// SetStamp sets the function that orders this host's changes among those of its
// fleet; see Shared. known is the newest stamp that the list has for the mark. nil
// is for a host without a fleet: it keeps neither purges nor revocations that were
// taken back. stamp is called under the list's lock, and must not call the list.
func (l *List) SetStamp(stamp func(m Mark, known uint64) uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stamp = stamp
}

// SetCommonClock sets the function that tells the time by the clock that all hosts of
// the fleet compare theirs with. A revocation covers what is issued until the later of
// that time and this host's. nil is for a host without a fleet. common is called under
// the list's lock, and must not call the list.
func (l *List) SetCommonClock(common func() time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.common = common
}

// stampNew gives stamps to v, which this host has just made. With them v is newer than
// known, which is what the list had for the mark, and therefore in force. A host that
// has left its fleet gives a stamp too if known has one: otherwise v would count as taken
// back together with known, here and again when the host joins. l.mu is held.
func (l *List) stampNew(m Mark, v *revocation, known revocation) {
	if l.stamp == nil && !known.stamped() {
		return
	}
	*v = v.join(known)
	newest := max(known.revoked, known.undone)
	stamp := stampAt(l.now().Unix())
	if l.stamp != nil {
		stamp = l.stamp(m, newest)
	}
	v.revoked = max(stamp, newest+1)
}

// TieBits is how many bits of a stamp are below the milliseconds since 1970. It is the same
// in package fleet: which of two revocations is newer depends on it, one with a stamp of
// the fleet and one without.
const TieBits = 20

// stampAt returns the stamp of a revocation that a host without a fleet has made at that
// time, in Unix seconds.
func stampAt(at int64) uint64 { return max(1, uint64(max(0, at))*1000<<TieBits) }

// takeBack keeps in a fleet that v was taken back, and returns the line that says
// this. l.mu is held.
func (l *List) takeBack(m Mark, v revocation) line {
	if l.stamp == nil {
		return line{Op: opUnrevoke, Mark: m}
	}
	v.undone = l.shared(m, v).Revoked
	v.revoked = v.undone
	l.keep(m, v)
	return v.line(m)
}

// Purge keeps, for the time life, that m was purged now, and saves it. Without a
// fleet it does nothing. After an error that wraps ErrNotSaved, the purge is kept.
func (l *List) Purge(m Mark, life time.Duration) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stamp == nil || !isPurge(m.Kind) {
		return nil
	}
	now := l.now()
	v := revocation{at: l.latest(now).Unix(), until: l.latest(now).Add(life).Unix(), since: int64(clock.Awake(l.opened, now))}
	before, _ := l.past.get(m)
	l.stampNew(m, &v, before)
	l.keep(m, v)
	return l.save(v.line(m))
}

// Purged reports whether the purge m is remembered. It takes no lock: it does not wait
// for changes, which wait for the disk.
func (l *List) Purged(m Mark) bool {
	_, there := l.past.get(m)
	return there && isPurge(m.Kind)
}

// shared returns what is told of a mark. A revocation from before there was a fleet
// gets a stamp from its time, so that the stamp is always the same.
func (l *List) shared(m Mark, v revocation) Shared {
	s := Shared{Mark: m, Revoked: v.revoked, Undone: v.undone, At: v.at}
	if s.Revoked == 0 {
		s.Revoked = stampAt(v.at)
	}
	at, never := l.ends(m, v)
	if s.Until = at; never {
		s.Until = Never
	}
	return s
}

// Longest returns the lifetime of the longest-lived token that this host has seen
// or has been told of. Revocations of sessions and subjects are kept for at least
// this time. A longer life than a time.Duration has room for, 292 years, is returned as
// 292 years.
func (l *List) Longest() time.Duration {
	const most = math.MaxInt64 / int64(time.Second)
	return time.Duration(min(l.longest.Load(), most)) * time.Second
}

// RaiseLongest notes the lifetime of the longest-lived token that the fleet has
// seen, and reports whether it is longer than the known one. If it is, marks are
// kept, and told, with a later end than before.
func (l *List) RaiseLongest(d time.Duration) bool { return raise(&l.longest, int64(d/time.Second)) }

// Get returns what is known of a mark: in force, taken back or purged. ok is false
// if nothing is known. Get waits for changes that are being saved.
func (l *List) Get(m Mark) (s Shared, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	v, ok := l.find(m)
	if !ok {
		v, ok = l.past.get(m)
	}
	if !ok {
		return Shared{Mark: m}, false
	}
	return l.shared(m, v), true
}

// Shared yields everything that is told to a fleet: what is in force, what was
// taken back, and purges. The list may change during the iteration.
func (l *List) Shared() iter.Seq[Shared] {
	return func(yield func(Shared) bool) {
		var all []Shared
		l.mu.Lock()
		l.marks.Range(func(m, v any) bool {
			all = append(all, l.shared(m.(Mark), v.(revocation)))
			return true
		})
		for m, v := range l.past.all() {
			all = append(all, l.shared(m, v))
		}
		l.mu.Unlock()
		for _, s := range all {
			if !yield(s) {
				return
			}
		}
	}
}

// Join adds what other hosts have told. When Join returns, it is in force and
// saved. A mark whose line a start could not read is left out; no host of this version
// tells such a mark. changed are the marks that came into force, cover more, or were
// taken back. ErrFull says that there was not enough room: the marks that had room are
// in force. After an error that wraps ErrNotSaved, all are in force.
func (l *List) Join(told []Shared) (changed []Mark, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var lines []line
	full := false
	now := l.now()
	for _, s := range told {
		before, inForce := l.had(s.Mark)
		v, covers := l.merge(before, inForce, s, now)
		if v == before || !v.line(s.Mark).fits() {
			continue
		}
		if covers && !inForce && !l.hasRoom(l.most) {
			full = true
			continue
		}
		l.keep(s.Mark, v)
		lines = append(lines, v.line(s.Mark))
		if covers != inForce || v.coversMore(s.Mark, before) || isPurge(s.Kind) && v.revoked > before.revoked {
			changed = append(changed, s.Mark)
		}
	}
	if len(lines) > 0 {
		err = l.save(lines...)
	}
	if full {
		err = errors.Join(ErrFull, err)
	}
	return changed, err
}

// had returns what the list has of a mark, with a stamp also if it is from before there was
// a fleet. inForce is false for what was taken back, for a purge, and if the list has nothing.
// l.mu is held.
func (l *List) had(m Mark) (v revocation, inForce bool) {
	v, inForce = l.find(m)
	if !inForce {
		v, _ = l.past.get(m)
	}
	if v.at > 0 && v.revoked == 0 {
		v.revoked = l.shared(m, v).Revoked
	}
	return v, inForce
}

// merge returns what the list has to have of a mark after another host has told s. before
// is what it had; see had. covers says that tokens are covered then.
func (l *List) merge(before revocation, inForce bool, s Shared, now time.Time) (v revocation, covers bool) {
	v = before.join(revocation{at: s.At, until: s.Until, revoked: s.Revoked, undone: s.Undone})
	if before.revoked == 0 || v.at > before.at {
		v.since = int64(clock.Awake(l.opened, now))
	}
	covers = !isPurge(s.Kind) && v.revoked > v.undone
	if covers && !inForce { // made on another host
		v.made, v.origin = now.Unix(), Origin{}
	}
	return v, covers
}

// sweepPast forgets purges, and revocations that were taken back, if they have
// certainly been over for pastKept. A revocation of a key that was taken back
// stays. l.mu is held.
func (l *List) sweepPast(now time.Time) {
	for m, v := range l.past.all() {
		end, never := l.ends(m, v)
		if never || end == Never || time.Unix(end, 0).Add(pastKept).After(now) {
			continue
		}
		term := time.Duration(max(0, end-v.at))*time.Second + pastKept + anyLeeway
		if l.wall.Passed(time.Unix(end, 0).Add(pastKept), l.opened.Add(time.Duration(v.since)), term, now) {
			l.past.drop(m)
		}
	}
}
