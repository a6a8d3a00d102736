package daemon

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/neonauthd/neonauthd/cache"
	"github.com/neonauthd/neonauthd/daemon/clock"
	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/daemon/revoke"
	"github.com/neonauthd/neonauthd/daemon/upstream"
	"github.com/neonauthd/neonauthd/protocol"
)

// The rhythm of profiles, where it is not the operator's to set.
const (
	denialLifetime = 15 * time.Second // how long a denial by the upstream is remembered
	refreshPause   = 5 * time.Second  // between background refreshes of one profile, however they end
	maxRefreshes   = 64               // background refreshes at once
	troubleKept    = 10 * time.Minute // how long EXPLAIN can tell why a profile could not be had
	troublesKept   = 1024             // and of how many
)

// profile is what the upstream said of one user, or of one session where only
// the upstream can judge the credential.
type profile struct {
	project  *project
	user     subjectKey
	revision uint64
	asked    time.Time // when the question went out, with monotonic reading: the profile is at least that live
	body     []byte
	entry    *entry // of a session credential, which has no claims of its own; nil otherwise

	lookedUp atomic.Int64 // its age at the last lookup; all else never changes
}

// profiles keeps profiles fresh, shared and honest about their age. They are
// kept per user, not per token, because clients renew their tokens every minute
// or so. Safe for concurrent use.
type profiles struct {
	memory      *memory
	denials     *cache.Recent[denial]
	recent      *cache.Recent[struct{}] // profiles refreshed just now
	troubles    *cache.Recent[string]   // why profiles could not be had, in closed words
	flights     *cache.Flights[fetched]
	floors      *floors
	revocations *revoke.List
	now         func() time.Time
	log         *slog.Logger

	owner      context.Context // of background refreshes
	refreshes  chan struct{}   // one per background refresh in progress
	background sync.WaitGroup
}

// denial is a remembered no of the upstream.
type denial struct {
	project  *project
	revision uint64
	reason   protocol.Reason
}

// crowding is why the governor did not let a fetch through. Others who wait for
// it need not be refused as well.
type crowding uint8

const (
	notCrowded   crowding = iota
	asBackground          // an interactive one may be let through
	forItsAsker           // another asker's turn may come
)

// fetched is what one fetch came to, for all that wait for it.
type fetched struct {
	profile    *profile
	asked      time.Time
	denied     protocol.Reason // empty: no denial
	ofToken    bool            // the denial is about the token that was shown, not about its user
	digest     cache.Key
	asker      fair.Asker
	crowdedOut crowding // why it was not let through, if it was not
	failure    Verdict  // unknown, if there is neither profile nor denial
}

// recall answers from memory, if what is there is fresh. e holds the verified
// claims; it is nil for a session credential.
func (s *profiles) recall(l *lookup, e *entry, now time.Time) (Verdict, bool) {
	key := l.profileKey(e)
	if reason, denied := s.denied(key, l, e, now); denied && l.maxAge != 0 {
		return rejected(reason), true
	}
	p := s.get(key, l, now)
	if p == nil || clock.Elapsed(p.asked, now) >= l.freshness() {
		return Verdict{}, false
	}
	if v, dead := s.silenced(l, p.speaker(e), now); dead {
		return v, v.Status() == protocol.NO
	}
	if p.wantsRefresh(now) {
		s.refresh(key, l, e)
	}
	return s.accept(l, p.speaker(e), p, SourceCache, now), true
}

// denied tells what the upstream has said against the user, or against the token
// alone, a moment ago.
func (s *profiles) denied(key cache.Key, l *lookup, e *entry, now time.Time) (protocol.Reason, bool) {
	for _, k := range [2]cache.Key{key, deniedToken(key, l.digest)} {
		if no, hit := s.denials.GetAt(&k, now); hit && no.project == l.project && s.floors.above(no.revision, l.purged(), e.user()) {
			return no.reason, true
		}
	}
	return "", false
}

// speaker is the entry that a verdict with this profile rests on.
func (p *profile) speaker(e *entry) *entry {
	if e == nil {
		return p.entry
	}
	return e
}

// silenced reports that e cannot speak any more, and the verdict then.
func (s *profiles) silenced(l *lookup, e *entry, now time.Time) (Verdict, bool) {
	switch {
	case e.over(now):
		return rejected(protocol.ReasonExpired), true
	case e.revoked(s.revocations, l.revoked()):
		return rejected(protocol.ReasonRevoked), true
	case !e.alive(l.project, now): // its key or its project has gone meanwhile
		return unknown(protocol.CodeBusy, time.Second), true
	}
	return Verdict{}, false
}

// freshness is the age below which a profile answers this lookup at once.
func (l *lookup) freshness() time.Duration {
	fresh := time.Duration(l.project.config.ProfileFresh)
	if l.maxAge >= 0 {
		// An age is known to the second: max-age=3 admits anything short of 4.
		fresh = min(fresh, l.wholeMaxAge())
	}
	return fresh
}

// wholeMaxAge is the first age that is too old for the caller.
func (l *lookup) wholeMaxAge() time.Duration {
	if l.maxAge == 0 {
		return 0
	}
	return l.maxAge + time.Second
}

// get returns the profile under key if it may still be used at all.
func (s *profiles) get(key cache.Key, l *lookup, now time.Time) *profile {
	p := s.memory.profile(&key, now)
	switch {
	case p == nil, p.project != l.project, !s.floors.above(p.revision, l.purged(), p.user):
		return nil
	case p.entry != nil && !p.entry.over(now) && !p.entry.alive(l.project, now):
		return nil // what is known of the session's end rests on a clock that was set back since
	}
	return p
}

// resolve fetches the profile, or says why it cannot and falls back on what the
// lookup allows. e is as for recall.
func (s *profiles) resolve(ctx context.Context, l *lookup, e *entry) Verdict {
	key := l.profileKey(e)
	if !l.place.forUpstream() {
		return s.fallback(l, e, key, unknown(protocol.CodeBusy, time.Second))
	}
	asked := s.now()
	failure := unknown(protocol.CodeBusy, time.Second)
	// Up to three flights: one may have been under way that is too old for us,
	// was not let through for another's sake, or showed another token.
	for range 3 {
		f, _, err := s.flights.Do(ctx, l.project.flight(key), s.fetch(key, l, e, upstream.Interactive))
		switch {
		case err != nil:
			return s.fallback(l, e, key, unfinished(err))
		case f.denied != "" && (!f.ofToken || f.digest == l.digest):
			return rejected(f.denied)
		case f.denied != "":
			continue
		case f.crowdedOut == asBackground, f.crowdedOut == forItsAsker && f.asker != l.asker:
			failure = f.failure
			continue
		case f.profile == nil:
			return s.fallback(l, e, key, f.failure)
		case l.maxAge >= 0 && f.asked.Before(asked) && clock.Elapsed(f.asked, asked) >= l.wholeMaxAge(),
			!s.floors.above(f.profile.revision, l.purged(), f.profile.user):
			continue
		}
		now := s.now()
		if v, dead := s.silenced(l, f.profile.speaker(e), now); dead {
			return v
		}
		return s.accept(l, f.profile.speaker(e), f.profile, SourceUpstream, now)
	}
	return s.fallback(l, e, key, failure)
}

// fallback answers when the profile could not be had now: with a stale one,
// with the claims if the caller takes those, or else with the failure.
func (s *profiles) fallback(l *lookup, e *entry, key cache.Key, failure Verdict) Verdict {
	now := s.now()
	if e != nil {
		if v, dead := s.silenced(l, e, now); dead {
			return v
		}
	}
	if p := s.get(key, l, now); p != nil {
		if v, ok := s.acceptStale(l, p.speaker(e), p, now); ok {
			return v
		}
	}
	if l.fallback && e != nil {
		return e.accept(sourceOf(l.project.keys.Snapshot(), SourceCache, now), now)
	}
	return failure
}

// acceptStale serves what is kept beyond its fresh time, if configuration and
// caller allow.
func (s *profiles) acceptStale(l *lookup, e *entry, p *profile, now time.Time) (Verdict, bool) {
	age, fresh := clock.Elapsed(p.asked, now), time.Duration(l.project.config.ProfileFresh)
	if age >= fresh+time.Duration(l.project.config.ProfileStale) || l.maxAge >= 0 && age >= l.wholeMaxAge() {
		return Verdict{}, false
	}
	if v, dead := s.silenced(l, e, now); dead {
		return v, true
	}
	if age < fresh {
		return s.accept(l, e, p, SourceCache, now), true
	}
	return s.accept(l, e, p, SourceStale, now), true
}

// accept is the verdict at level profile. Like every verdict it ends with the
// token.
func (s *profiles) accept(l *lookup, e *entry, p *profile, source Source, now time.Time) Verdict {
	age := clock.Elapsed(p.asked, now)
	// A stale profile is not reused at all: the next lookup may find a live one.
	reuse := min(claimsReuse, time.Duration(l.project.config.ProfileFresh)-age)
	return Verdict{
		Outcome: protocol.Accepted(),
		Level:   LevelProfile,
		Source:  source,
		Age:     age,
		TTL:     e.reuse(reuse, now),
		Body:    p.body,
		entry:   e,
		profile: p,
	}
}

// fetch returns the run of a flight: one call to the upstream and what follows
// from its answer.
func (s *profiles) fetch(key cache.Key, l *lookup, e *entry, priority upstream.Priority) func(context.Context) fetched {
	return func(ctx context.Context) fetched {
		revision := s.floors.current()
		f := fetched{asked: s.now(), digest: l.digest, asker: l.asker}
		if p := s.get(key, l, f.asked); p != nil && priority == upstream.Interactive && clock.Elapsed(p.asked, f.asked) < l.freshness() {
			f.profile, f.asked = p, p.asked // the flight before this one has just landed
			return f
		}
		var subject string
		if e != nil {
			subject = e.subject
		}
		answer, err := l.project.upstream.Profile(ctx, l.token, subject, l.asker, priority)
		if err != nil {
			return s.failed(f, key, l, err, revision, priority)
		}
		f.profile = &profile{project: l.project, revision: revision, asked: f.asked, body: answer.Body}
		if e == nil {
			f.profile.entry = sessionEntry(l.project, &answer, revision, s.now())
			s.revocations.Note(f.profile.entry.facts(nil))
		}
		f.profile.user = f.profile.speaker(e).user()
		s.memory.keepProfile(key, f.profile, s.now())
		s.denials.Delete(key)
		s.denials.Delete(deniedToken(key, l.digest))
		s.troubles.Delete(key)
		return f
	}
}

// failed turns an upstream's error into what it means for those who wait.
func (s *profiles) failed(f fetched, key cache.Key, l *lookup, err error, revision uint64, priority upstream.Priority) fetched {
	var e *upstream.Error
	if !errors.As(err, &e) {
		f.failure = unknown(protocol.CodeUnavailable, time.Second)
		return f
	}
	if e.Meaning != upstream.Denied {
		s.troubles.Set(key, e.Error(), troubleKept)
	}
	if e.Meaning != upstream.Denied && !e.Local {
		l.project.profileFailures.Add(1)
	}
	switch e.Meaning {
	case upstream.Denied:
		f.denied, f.ofToken = e.Denial, ofToken(e.Denial)
		// Whoever was denied is not served what was fetched before, fresh or
		// stale, once the denial is forgotten. Other tokens of the user fetch anew.
		s.memory.Delete(key)
		if f.ofToken {
			key = deniedToken(key, l.digest)
		}
		if !e.OwnClock { // else the clock may be set right meanwhile
			s.denials.Set(key, denial{l.project, revision, f.denied}, denialLifetime)
		}
	case upstream.Misconfigured:
		f.failure = unknown(protocol.CodeMisconfigured, 0)
	default:
		f.failure = unknown(protocol.CodeUnavailable, max(time.Second, e.RetryAfter))
		if errors.Is(err, upstream.ErrNotSession) { // asking again will not help
			f.failure.RetryAfter = 0
		}
		switch {
		case !e.Local:
		case priority == upstream.Background:
			f.crowdedOut = asBackground
		default:
			f.crowdedOut = forItsAsker
		}
	}
	return f
}

// ofToken reports whether a denial by the upstream is about the token alone, and
// not about its user.
func ofToken(denial protocol.Reason) bool {
	return denial != protocol.ReasonUserNotFound && denial != protocol.ReasonClassNotAllowed
}
