package resolve

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/neonauthd/neonauthd/cache"
	"github.com/neonauthd/neonauthd/daemon/clock"
	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/daemon/resolve/cachekey"
	"github.com/neonauthd/neonauthd/daemon/resolve/purge"
	"github.com/neonauthd/neonauthd/daemon/revoke"
	"github.com/neonauthd/neonauthd/daemon/upstream"
	"github.com/neonauthd/neonauthd/protocol"
)

// The rhythm of profiles, where it is not the operator's to set.
const (
	DenialLifetime = 15 * time.Second // how long a denial by the upstream answers without another question
	refreshPause   = 5 * time.Second  // between background refreshes of one profile, however they end
	MaxRefreshes   = 64               // background refreshes at once
	troubleKept    = 10 * time.Minute // how long EXPLAIN can tell why a profile could not be had
	troublesKept   = 1024             // and of how many
)

// profile is what the upstream said of one user, or of one credential where only the
// upstream can judge it or introspects it.
type profile struct {
	project  *Project
	user     purge.Subject
	revision uint64
	asked    time.Time // when the question went out, with monotonic reading: the profile is at least that live
	body     []byte
	entry    *entry // of an opaque credential, which has no claims of its own; nil otherwise
	ends     int64  // by the upstream, Unix seconds; 0: with the token

	lookedUp atomic.Int64 // its age at the last lookup; all else never changes
}

// profiles keeps profiles fresh, shared and honest about their age. They are
// kept per user, not per token, because clients renew their tokens every minute
// or so; what introspection says is of one token. Safe for concurrent use.
type profiles struct {
	memory      *memory
	denials     *cache.Recent[denial]
	recent      *cache.Recent[struct{}] // profiles refreshed just now
	troubles    *cache.Recent[string]   // why profiles could not be had, in closed words
	flights     *cache.Flights[fetched]
	purges      *purge.List
	revocations *revoke.List
	fleet       func() (Fleet, bool)
	now         func() time.Time
	log         *slog.Logger
	ended       func(...Ground)

	owner      context.Context // of background refreshes
	refreshes  chan struct{}   // one per background refresh in progress
	background sync.WaitGroup
}

// recall answers from memory, for Recall. e holds the verified claims; it is nil for an
// opaque credential.
func (s *profiles) recall(l *Lookup, e *entry, now time.Time) (Verdict, bool) {
	key := l.profileKey(e)
	return s.answer(l, e, key, s.memory.recallProfile(&key, now), now)
}

// known is recall for a lookup that memory could not answer a moment ago.
func (s *profiles) known(l *Lookup, e *entry, now time.Time) (Verdict, bool) {
	key := l.profileKey(e)
	return s.answer(l, e, key, s.memory.profile(&key, now), now)
}

// answer answers with the profile that is kept, if that is fresh.
func (s *profiles) answer(l *Lookup, e *entry, key cache.Key, p *profile, now time.Time) (Verdict, bool) {
	if no, denied := s.denied(key, l, e, now); denied && no.project == l.Project && no.fresh(now) && l.MaxAge != 0 {
		return rejected(no.reason), true
	}
	if p = s.usable(p, l, now); p == nil || clock.Elapsed(p.asked, now) >= l.freshness() {
		return Verdict{}, false
	}
	if v, dead := s.dead(l, p.evidence(e), now); dead {
		return v, v.Status() == protocol.NO
	}
	if p.wantsRefresh(now) {
		s.refresh(key, l, e)
	}
	return s.accept(l, p.evidence(e), p, SourceCache, now), true
}

// denied is the last word of the upstream about the user, or about the token alone,
// if that was a no. A reload does not take it back that leaves the upstream as it is.
func (s *profiles) denied(key cache.Key, l *Lookup, e *entry, now time.Time) (denial, bool) {
	for _, k := range [2]cache.Key{key, cachekey.Denied(key, l.digest)} {
		if no, hit := s.denials.GetAt(&k, now); hit && l.Project.hasUpstreamOf(no.project) && !s.purges.Covers(no.revision, l.purged(), e.user()) {
			return no, true
		}
	}
	return denial{}, false
}

// evidence is the entry that a verdict with this profile rests on.
func (p *profile) evidence(e *entry) *entry {
	if e == nil {
		return p.entry
	}
	return e
}

// dead reports that nothing can rest on e any more, and the verdict then.
func (s *profiles) dead(l *Lookup, e *entry, now time.Time) (Verdict, bool) {
	switch {
	case e.over(now):
		return rejected(protocol.ReasonExpired), true
	case e.revoked(s.revocations, l.revoked()):
		return rejected(protocol.ReasonRevoked), true
	case !e.alive(l.Project, now): // its key or its project has gone meanwhile
		return unknown(protocol.CodeBusy, time.Second), true
	}
	return Verdict{}, false
}

// profileKey is where the profile for a lookup is kept: the user's, or the
// credential's where that is what the upstream is asked about.
func (l *Lookup) profileKey(e *entry) cache.Key {
	if e == nil || l.introspects(e) {
		return cachekey.Credential(l.Project.name, l.digest)
	}
	return cachekey.User(l.Project.name, e.class, e.subject)
}

// freshness is the age below which a profile answers this lookup at once.
func (l *Lookup) freshness() time.Duration {
	fresh := time.Duration(l.Project.config.ProfileFresh)
	if l.MaxAge >= 0 {
		// An age is known to the second: max-age=3 admits anything short of 4.
		fresh = min(fresh, l.wholeMaxAge())
	}
	return fresh
}

// wholeMaxAge is the first age that is too old for the caller.
func (l *Lookup) wholeMaxAge() time.Duration {
	if l.MaxAge == 0 {
		return 0
	}
	return l.MaxAge + time.Second
}

// get returns the profile under key if it may still be used at all.
func (s *profiles) get(key cache.Key, l *Lookup, now time.Time) *profile {
	return s.usable(s.memory.profile(&key, now), l, now)
}

// usable is p, or nil if it may not be used at all.
func (s *profiles) usable(p *profile, l *Lookup, now time.Time) *profile {
	switch {
	case p == nil, p.project != l.Project, s.purges.Covers(p.revision, l.purged(), p.user):
		return nil
	case p.entry != nil && !p.entry.over(now) && !p.entry.alive(l.Project, now):
		return nil // what is known of the credential's end rests on a clock that was set back since
	case p.over(l.Project, now):
		return nil
	}
	return p
}

// over reports whether what the upstream has said to a project ends the credential
// before its own end. It does not if p is nil.
func (p *profile) over(of *Project, now time.Time) bool {
	return p != nil && p.project == of && p.ends != 0 && now.Unix() >= p.ends
}

// resolve fetches the profile, or says why it cannot and falls back on what the
// lookup allows. e is as for recall.
func (s *profiles) resolve(ctx context.Context, l *Lookup, e *entry) Verdict {
	key := l.profileKey(e)
	if e != nil && e.class == keyset.ClassMachine && !l.introspects(e) { // there is nobody whose profile there could be
		return s.fallback(l, e, key, unknown(protocol.CodeUnavailable, 0))
	}
	if !l.place.forUpstream() {
		return s.fallback(l, e, key, unknown(protocol.CodeBusy, time.Second))
	}
	asked := s.now()
	failure, priority := unknown(protocol.CodeBusy, time.Second), upstream.Interactive
	if l.door == accessTokens && s.get(key, l, asked) == nil {
		priority = upstream.Unproved
	}
	// Up to three flights: one may have been under way that is too old for us,
	// was not let through for another's sake, or showed another token.
	for range 3 {
		f, _, err := s.flights.Do(ctx, l.Project.flight(key), s.fetch(key, l, e, priority))
		switch {
		case err != nil:
			return s.fallback(l, e, key, unfinished(err))
		case f.denied != "" && (!f.ofToken || f.digest == l.digest):
			return rejected(f.denied)
		case f.denied != "":
			continue
		case f.unsent == asBackground, f.unsent == forItsAsker && f.asker != l.Asker:
			failure = f.failure
			continue
		case f.profile == nil:
			return s.fallback(l, e, key, f.failure)
		case l.MaxAge >= 0 && f.asked.Before(asked) && clock.Elapsed(f.asked, asked) >= l.wholeMaxAge(),
			s.purges.Covers(f.profile.revision, l.purged(), f.profile.user):
			continue
		}
		now := s.now()
		if v, dead := s.dead(l, f.profile.evidence(e), now); dead {
			return v
		}
		return s.accept(l, f.profile.evidence(e), f.profile, f.source, now)
	}
	return s.fallback(l, e, key, failure)
}

// fallback answers when the profile could not be had now: with a stale one,
// with the claims if the caller takes those, or else with the failure. Where the last
// word of the upstream was a no, neither will do: that no may be over by now, and what
// it was said against was not accepted since.
func (s *profiles) fallback(l *Lookup, e *entry, key cache.Key, failure Verdict) Verdict {
	now := s.now()
	if e != nil {
		if v, dead := s.dead(l, e, now); dead {
			return v
		}
	}
	claims := l.Fallback && e != nil
	p := s.memory.profile(&key, now)
	if _, denied := s.denied(key, l, e, now); denied {
		return failure
	} else if p.over(l.Project, now) && claims {
		return rejected(protocol.ReasonExpired)
	}
	if p = s.usable(p, l, now); p != nil {
		if v, ok := s.acceptStale(l, p.evidence(e), p, now); ok {
			return v
		}
	}
	if claims {
		return e.accept(sourceOf(l.Project.keys.Snapshot(), SourceCache, now), now)
	}
	return failure
}

// acceptStale serves what is kept beyond its fresh time, if configuration and
// caller allow.
func (s *profiles) acceptStale(l *Lookup, e *entry, p *profile, now time.Time) (Verdict, bool) {
	age, fresh := clock.Elapsed(p.asked, now), time.Duration(l.Project.config.ProfileFresh)
	if age >= fresh+time.Duration(l.Project.config.ProfileStale) || l.MaxAge >= 0 && age >= l.wholeMaxAge() {
		return Verdict{}, false
	}
	if v, dead := s.dead(l, e, now); dead {
		return v, true
	}
	if age < fresh {
		return s.accept(l, e, p, SourceCache, now), true
	}
	return s.accept(l, e, p, SourceStale, now), true
}

// accept is the verdict at level profile. Like every verdict it ends with the
// token.
func (s *profiles) accept(l *Lookup, e *entry, p *profile, source Source, now time.Time) Verdict {
	age := clock.Elapsed(p.asked, now)
	// A stale profile is not reused at all: the next lookup may find a live one.
	reuse := min(claimsReuse, time.Duration(l.Project.config.ProfileFresh)-age)
	if p.ends != 0 {
		reuse = min(reuse, time.Unix(p.ends, 0).Sub(now.Round(0)))
	}
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
