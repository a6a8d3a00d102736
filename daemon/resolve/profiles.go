package resolve

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/neonauthd/neonauthd/cache"
	"github.com/neonauthd/neonauthd/daemon/clock"
	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/daemon/resolve/cachekey"
	"github.com/neonauthd/neonauthd/daemon/resolve/purge"
	"github.com/neonauthd/neonauthd/daemon/resolve/wording"
	"github.com/neonauthd/neonauthd/daemon/revoke"
	"github.com/neonauthd/neonauthd/daemon/upstream"
	"github.com/neonauthd/neonauthd/protocol"
)

// Times and limits of profiles that are not configurable.
const (
	DenialLifetime = 15 * time.Second // how long a denial is used before the upstream is asked again
	refreshPause   = 5 * time.Second  // between background refreshes of one profile, however they end
	MaxRefreshes   = 64               // background refreshes at once
	troubleKept    = 10 * time.Minute // how long EXPLAIN can say why a profile was not available
	troublesKept   = 1024             // and for how many profiles
	VersionsKept   = 8192             // of how many profiles clients may keep answers at the same time
)

// profile is the upstream's answer about one user, or about one credential if the upstream
// judges or introspects it.
type profile struct {
	project  *Project
	user     purge.Subject
	revision uint64
	asked    time.Time // when the upstream was asked, with monotonic reading; the profile is not older
	body     []byte
	digest   [sha256.Size]byte // of body
	entry    *entry            // of an opaque credential, which has no claims of its own; nil otherwise
	ends     int64             // when it ends, from the upstream, Unix seconds; 0: when the token ends

	lookedUp atomic.Int64 // its age at the last lookup; all else never changes
}

// version is the content of a profile; the zero digest says that there is no profile.
// Projects that use no profiles of each other have other versions.
type version struct {
	pool   *pool
	digest [sha256.Size]byte
}

// profiles fetches, keeps and refreshes profiles. A profile is kept for a user, not for a
// token, because clients renew their tokens about every minute. The result of an
// introspection is kept for its token. It is safe for concurrent use.
type profiles struct {
	memory      *memory
	denials     *cache.Recent[denial]
	kept        *cache.Recent[version]  // of profiles in answers that clients may keep; see mayKeep
	recent      *cache.Recent[struct{}] // profiles refreshed within refreshPause
	troubles    *cache.Recent[string]   // why profiles were not available, in fixed words
	holds       *cache.Recent[hold]     // credentials that are not asked about for now
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

// recall is Resolver.Recall for profiles. e has the verified claims; it is nil for an opaque
// credential.
func (s *profiles) recall(l *Lookup, e *entry, now time.Time) (Verdict, bool) {
	key := l.profileKey(e)
	return s.answer(l, e, key, s.memory.recallProfile(&key, now), now)
}

// known is recall for a lookup that has been counted already.
func (s *profiles) known(l *Lookup, e *entry, now time.Time) (Verdict, bool) {
	key := l.profileKey(e)
	return s.answer(l, e, key, s.memory.profile(&key, now), now)
}

// answer answers with the profile p from memory, if it is fresh.
func (s *profiles) answer(l *Lookup, e *entry, key cache.Key, p *profile, now time.Time) (Verdict, bool) {
	switch no, denied := s.denied(key, l, e, now); {
	case !denied:
	case no.project == l.Project && no.fresh(now) && l.MaxAge != 0:
		return rejected(no.reason), true
	case no.doubts(l, now):
		return Verdict{}, false
	}
	if p = s.usable(p, l, now); p == nil || clock.Elapsed(p.asked, now) >= l.freshness() {
		return Verdict{}, false
	}
	if v, dead := s.dead(l, p.evidence(e), now); dead {
		return v, v.Status() == protocol.NO
	}
	if p.wantsRefresh(time.Duration(l.Project.config().ProfileFresh), now) {
		s.refresh(key, l, e)
	}
	return s.accept(l, p.evidence(e), p, SourceCache, now), true
}

// denied returns the denial of the user or of the token, if the last answer of the upstream
// was one. A reload that does not change the upstream keeps it.
func (s *profiles) denied(key cache.Key, l *Lookup, e *entry, now time.Time) (denial, bool) {
	for _, k := range [2]cache.Key{key, cachekey.Denied(key, l.digest)} {
		if no, hit := s.denials.GetAt(&k, now); hit && l.Project.hasUpstreamOf(no.project) && !s.purges.Covers(no.revision, l.purged(), e.user()) {
			return no, true
		}
	}
	return denial{}, false
}

// doubted reports whether a denial doubts the profile under key for this lookup.
func (s *profiles) doubted(key cache.Key, l *Lookup, e *entry, now time.Time) bool {
	no, denied := s.denied(key, l, e, now)
	return denied && no.doubts(l, now)
}

// evidence returns the entry for a verdict with this profile.
func (p *profile) evidence(e *entry) *entry {
	if e == nil {
		return p.entry
	}
	return e
}

// dead reports whether e has ended, and returns the verdict in this case.
func (s *profiles) dead(l *Lookup, e *entry, now time.Time) (Verdict, bool) {
	switch {
	case e.over(now):
		return rejected(protocol.ReasonExpired), true
	case e.revoked(s.revocations):
		return rejected(protocol.ReasonRevoked), true
	case !e.alive(l.Project, now): // its key or its project has been removed
		return Busy(), true
	}
	return Verdict{}, false
}

// profileKey returns the key of the profile in memory: a key of the user, or of the
// credential if the upstream is asked about the credential.
func (l *Lookup) profileKey(e *entry) cache.Key {
	if e == nil || l.introspects(e) {
		return cachekey.Credential(l.Project.name, l.digest)
	}
	return cachekey.User(l.Project.name, e.class, e.subject)
}

// withoutProfile reports whether the lookup is about a machine, which has no profile.
func (l *Lookup) withoutProfile(e *entry) bool {
	return e != nil && e.class == keyset.ClassMachine && !l.introspects(e)
}

// freshness returns the age below which a profile answers this lookup without a fetch.
func (l *Lookup) freshness() time.Duration {
	fresh := time.Duration(l.Project.config().ProfileFresh)
	if l.MaxAge >= 0 {
		fresh = min(fresh, l.leastTooOld())
	}
	return fresh
}

// leastTooOld returns the smallest age that is too old for the caller: the next one after
// MaxAge. With MaxAge 0 each age is, because only an answer of the upstream to this lookup
// will do.
func (l *Lookup) leastTooOld() time.Duration {
	if l.MaxAge == 0 {
		return 0
	}
	return l.MaxAge + time.Nanosecond
}

// tooOld reports whether a profile of that age is too old for the caller.
func (l *Lookup) tooOld(age time.Duration) bool { return l.MaxAge >= 0 && age >= l.leastTooOld() }

// pastStale reports whether a profile of that age is too old for the configuration, even while the upstream fails.
func (p *Project) pastStale(age time.Duration) bool {
	return age >= time.Duration(p.config().ProfileFresh)+time.Duration(p.config().ProfileStale)
}

// get returns the profile under key, or nil if there is none that may be used.
func (s *profiles) get(key cache.Key, l *Lookup, now time.Time) *profile {
	return s.usable(s.memory.profile(&key, now), l, now)
}

// usable returns p, or nil if p may not be used, fresh or stale.
func (s *profiles) usable(p *profile, l *Lookup, now time.Time) *profile {
	switch {
	case p == nil, !p.isFor(l.Project), s.purges.Covers(p.revision, l.purged(), p.user):
		return nil
	case p.entry != nil && !p.entry.over(now) && !p.entry.alive(l.Project, now):
		return nil // the clock was set back, so the end of the credential is not known
	case s.over(p, l, now):
		return nil
	}
	return p
}

// isFor reports whether the profile may be evidence for lookups of a project: the project has fetched it, or one with
// the same pool has. The profile of an opaque credential is a verdict by the rules of its project alone.
func (p *profile) isFor(of *Project) bool {
	return p.project == of || p.entry == nil && p.project.pool == of.pool
}

// over reports whether the credential has ended by the upstream's answer p to this project. An
// answer that is purged ends nothing, and nor does a nil p.
func (s *profiles) over(p *profile, l *Lookup, now time.Time) bool {
	return p != nil && p.project == l.Project && p.ends != 0 && now.Unix() >= p.ends &&
		!s.purges.Covers(p.revision, l.purged(), p.user)
}

// resolve fetches the profile. If it cannot, it falls back on what the lookup allows. For e
// see recall.
func (s *profiles) resolve(ctx context.Context, l *Lookup, e *entry) Verdict {
	key := l.profileKey(e)
	if l.withoutProfile(e) {
		return s.fallback(l, e, key, unavailable(wording.NoProfile, 0))
	}
	if !l.place.forUpstream() {
		return s.fallback(l, e, key, Busy())
	}
	asked := s.now()
	if failure, held := s.held(key, l, e, asked); held {
		return s.fallback(l, e, key, failure)
	}
	failure, priority := Busy(), upstream.Interactive
	if l.door == accessTokens && s.get(key, l, asked) == nil {
		priority = upstream.Unproved
	}
	// Up to three flights: the first may have begun before and be too old for this lookup,
	// may have been refused because of its asker, or may have been about another token.
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
		case f.asked.Before(asked) && l.tooOld(clock.Elapsed(f.asked, asked)),
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

// fallback answers if the profile is not available: with a stale profile, with the claims if
// the caller accepts them, or else with the failure. If the last answer of the upstream was a
// denial, the answer is the failure, because the upstream has not accepted the user or the
// token since.
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
	} else if claims && s.over(p, l, now) {
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

// acceptStale answers with a stale profile, if the configuration and the caller allow it.
func (s *profiles) acceptStale(l *Lookup, e *entry, p *profile, now time.Time) (Verdict, bool) {
	age := clock.Elapsed(p.asked, now)
	if l.Project.pastStale(age) || l.tooOld(age) {
		return Verdict{}, false
	}
	if v, dead := s.dead(l, e, now); dead {
		return v, true
	}
	if age < time.Duration(l.Project.config().ProfileFresh) {
		return s.accept(l, e, p, SourceCache, now), true
	}
	return s.accept(l, e, p, SourceStale, now), true
}

// accept returns the verdict at level profile. It ends when the token ends.
func (s *profiles) accept(l *Lookup, e *entry, p *profile, source Source, now time.Time) Verdict {
	age := clock.Elapsed(p.asked, now)
	// A stale profile must not be reused: the next lookup may find a newer one.
	reuse := min(claimsReuse, time.Duration(l.Project.config().ProfileFresh)-age)
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
