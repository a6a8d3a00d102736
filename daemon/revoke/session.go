package revoke

import (
	"sync"
	"time"
)

// The bounds of revocations of sessions. A session that has ended may leave a refresh token behind that can still be
// used. Each use gives a new token and a new refresh token; the new tokens name the session and verify.
const (
	// renewInterval is the shortest interval at which the use of a revoked session is noted.
	renewInterval = 24 * time.Hour
	// leastTokenLife is for how long the last token of a session is assumed to live. It is longer if longer-lived
	// tokens were seen.
	leastTokenLife = 24 * time.Hour
	// Reserve is how many revocations End leaves room for. So an operator can still revoke, however many users sign
	// out.
	Reserve = Max / 10
)

// SetSessionLifetimes sets how long a refresh token may live in the sessions of each project; 0 is for ever. A
// revocation of a session is kept for this time and some days more after one of its tokens was last seen, even if
// Retention is shorter. If a project is not in the map, its sessions' revocations are kept as long as a subject's. The
// map belongs to the list from now on.
func (l *List) SetSessionLifetimes(of map[string]time.Duration) { l.terms.Store(&of) }

// sessionTerm returns how long the revocation of a project's session is kept, in seconds, from when it was made or one
// of its tokens was last seen. It is the lifetime of a refresh token that was given out then, plus the lifetime of the
// last token that it gives. The last use may be up to renewInterval later than noted, so this is added too.
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

// tokenLife returns how long a token is assumed to live at most, in seconds.
func (l *List) tokenLife() int64 {
	return max(int64(leastTokenLife/time.Second), l.longest.Load()+1)
}

// End puts a sign-out in force that an issuer has reported: that a session has ended, or that the tokens of a subject
// that were issued until ended are over (or only those that name no session). End saves it. If the same is reported
// again, nothing changes, except that the revocation of a session may be kept longer; changed is false then. End leaves
// some room for revocations; see Reserve. After an error that wraps ErrNotSaved, m is in force.
func (l *List) End(m Mark, o Origin, ended time.Time) (changed bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	v := l.begun(now, o)
	if v.at = l.latest(now).Unix(); m.Kind.dated() {
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

// sights are revoked sessions whose tokens were seen lately.
type sights struct {
	mu    sync.Mutex
	marks map[Mark]struct{}
	due   chan struct{} // has an element if marks may have some
	tell  func([]Mark)  // set by SetRenewed; guarded by mu
}

func (s *sights) init() {
	s.marks, s.due, s.tell = map[Mark]struct{}{}, make(chan struct{}, 1), func([]Mark) {}
}

// has reports whether a token of m was seen and this is not noted yet.
func (s *sights) has(m Mark) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, seen := s.marks[m]
	return seen
}

// take returns the marks that were seen, which the caller has to note, and the function
// that is to be told of them.
func (s *sights) take() (seen map[Mark]struct{}, tell func([]Mark)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen, s.marks = s.marks, map[Mark]struct{}{}
	return seen, s.tell
}

// SetRenewed sets a function that is called with revocations of sessions whose end was put off because one of their
// tokens was seen. It is called after this is saved.
func (l *List) SetRenewed(told func([]Mark)) {
	l.sights.mu.Lock()
	defer l.sights.mu.Unlock()
	l.sights.tell = told
}

// renewable reports whether the last noted use of the session is so long ago that another use is noted.
func renewable(v revocation, now time.Time) bool {
	return now.Unix()-v.at >= int64(renewInterval/time.Second)
}

// sighted makes Keep note that a token of a revoked session was seen: the session's refresh token is in use, and the
// revocation must outlive the next refresh token too. sighted does not wait for the disk, and mostly only reads the
// clock.
func (l *List) sighted(m Mark, v revocation) {
	if !renewable(v, l.now()) {
		return
	}
	if _, never := l.ends(m, v); never {
		return
	}
	l.sights.mu.Lock()
	l.sights.marks[m] = struct{}{} // only marks in force, so there cannot be too many
	l.sights.mu.Unlock()
	select {
	case l.sights.due <- struct{}{}:
	default:
	}
}

// renew puts off the end of the revocations whose tokens were seen, saves this, and calls the function of SetRenewed.
func (l *List) renew() error {
	renewed, tell, err := l.putOff()
	if len(renewed) > 0 {
		tell(renewed)
	}
	return err
}

// putOff is renew, without the call of the function, which it returns. It takes the sights with l.mu held, so that no
// sweep forgets a mark between the two.
func (l *List) putOff() (renewed []Mark, tell func([]Mark), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	seen, tell := l.sights.take()
	now := l.now()
	var lines []line
	for m := range seen {
		v, there := l.find(m)
		if !there || !renewable(v, now) {
			continue
		}
		v.at, v.since = l.latest(now).Unix(), l.begun(now, Origin{}).since
		l.put(m, v)
		lines, renewed = append(lines, v.line(m)), append(renewed, m)
	}
	if len(lines) == 0 {
		return nil, tell, nil
	}
	return renewed, tell, l.save(lines...)
}
