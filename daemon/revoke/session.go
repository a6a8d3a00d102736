package revoke

import (
	"sync"
	"time"
)

// The bounds of revocations of sessions. A session that has ended may leave a
// refresh token behind that goes on giving out tokens, each with another refresh
// token: those tokens name the session, are new, and verify.
const (
	// renewInterval is how often, at most, it is noted of a revoked session that one
	// of its tokens was seen.
	renewInterval = 24 * time.Hour
	// leastTokenLife is how long the last token is taken to live at least that was
	// given out in a session; longer where longer-lived tokens were seen.
	leastTokenLife = 24 * time.Hour
	// Reserve is how many revocations End leaves room for: whatever number of users
	// sign out, an operator can still revoke.
	Reserve = Max / 10
)

// SetSessionLifetimes says how long a refresh token may live of the sessions of each
// project; 0 is for ever. A revocation of a session is kept for so long, and some
// days more, after one of its tokens was seen last, also where Retention is shorter;
// that of a project which is not among them as long as that of a subject. The map is
// the list's from now on.
func (l *List) SetSessionLifetimes(of map[string]time.Duration) { l.terms.Store(&of) }

// sessionTerm is how long the revocation of a project's session is kept, in seconds,
// from when it was made or one of its tokens was seen: as long as a refresh token can
// live that was given out then, and as long as the last token that it gives. A sight
// may be up to renewInterval later than is known.
func (l *List) sessionTerm(project string) (seconds int64, never bool) {
	terms := l.terms.Load()
	if terms == nil {
		return 0, false
	}
	lifetime, known := (*terms)[project]
	if !known || lifetime == 0 {
		return 0, known
	}
	return int64((lifetime+renewInterval)/time.Second) + l.tokenLife(), false
}

// tokenLife is how long a token is taken to live at most, in seconds.
func (l *List) tokenLife() int64 {
	return max(int64(leastTokenLife/time.Second), l.longest.Load()+1)
}

// End puts in force that a session has ended, or that the tokens of a subject have
// that were issued until ended (or those of them that name no session), because their issuer says so. It saves that. What is
// in force already stays as it is, so that to be told again costs nothing; changed is
// false then. Of room for revocations it leaves some; see Reserve. An error wrapping
// ErrNotSaved leaves it in force.
func (l *List) End(m Mark, o Origin, ended time.Time) (changed bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	v := l.begun(now, o)
	if v.at = now.Unix(); m.Kind.dated() {
		v.at = ended.Unix()
	}
	before, there := l.find(m)
	if !there {
		return l.add(m, v, l.most-l.most/(Max/Reserve))
	}
	if m.Kind == KindSession && !renewable(before, now) {
		return false, l.settle()
	}
	v.at, v.until, v.origin = max(before.at, v.at), before.until, before.origin
	return l.extend(m, v, before)
}

// sights are revoked sessions of which tokens were seen lately.
type sights struct {
	mu    sync.Mutex
	marks map[Mark]struct{}
	due   chan struct{} // has an element while marks may have some
	tell  func([]Mark)  // SetRenewed's; guarded by mu
}

func (s *sights) init() {
	s.marks, s.due, s.tell = map[Mark]struct{}{}, make(chan struct{}, 1), func([]Mark) {}
}

// SetRenewed has told called with the revocations of sessions whose end was put off
// because a token of theirs was seen, after that is saved.
func (l *List) SetRenewed(told func([]Mark)) {
	l.sights.mu.Lock()
	defer l.sights.mu.Unlock()
	l.sights.tell = told
}

// renewable reports whether it is so long ago that a token of the session was seen,
// as far as is noted, that another sight is noted too.
func renewable(v revocation, now time.Time) bool {
	return now.Unix()-v.at >= int64(renewInterval/time.Second)
}

// sighted has Keep note that a token of a revoked session was seen: its refresh token
// is in use, and the revocation has to outlive the next one too. It does not wait for
// the disk, and seldom does more than look at the clock.
func (l *List) sighted(m Mark, v revocation) {
	if !renewable(v, l.now()) {
		return
	}
	if _, never := l.ends(m, v); never {
		return
	}
	l.sights.mu.Lock()
	l.sights.marks[m] = struct{}{} // one of those in force, so there are not too many
	l.sights.mu.Unlock()
	select {
	case l.sights.due <- struct{}{}:
	default:
	}
}

// renew puts off the end of the revocations whose tokens were sighted, saves that,
// and tells of it.
func (l *List) renew() error {
	l.sights.mu.Lock()
	seen, tell := l.sights.marks, l.sights.tell
	l.sights.marks = map[Mark]struct{}{}
	l.sights.mu.Unlock()
	renewed, err := l.putOff(seen)
	if len(renewed) > 0 {
		tell(renewed)
	}
	return err
}

func (l *List) putOff(seen map[Mark]struct{}) (renewed []Mark, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	var lines []line
	for m := range seen {
		v, there := l.find(m)
		if !there || !renewable(v, now) {
			continue
		}
		v.at, v.since = now.Unix(), l.begun(now, Origin{}).since
		l.put(m, v)
		lines, renewed = append(lines, v.line(m)), append(renewed, m)
	}
	if len(lines) == 0 {
		return nil, nil
	}
	return renewed, l.save(lines...)
}
