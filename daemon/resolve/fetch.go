package resolve

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/neonauthd/neonauthd/cache"
	"github.com/neonauthd/neonauthd/daemon/clock"
	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/daemon/resolve/cachekey"
	"github.com/neonauthd/neonauthd/daemon/resolve/wording"
	"github.com/neonauthd/neonauthd/daemon/upstream"
	"github.com/neonauthd/neonauthd/protocol"
)

// denial is a "no" from the upstream. It answers lookups for DenialLifetime. It is
// remembered until the token's exp, so that no older profile is used for the token
// meanwhile. A denial of an opaque credential, which has no exp, is remembered for
// DenialLifetime, and a denial that rests on this host's clock not at all. A later "yes"
// from the upstream, a purge or a full table ends it earlier.
type denial struct {
	project  *Project
	revision uint64
	reason   protocol.Reason
	at       time.Time // of the answer, with monotonic reading
}

// fresh reports whether the denial answers without a question to the upstream.
func (d *denial) fresh(now time.Time) bool { return clock.Elapsed(d.at, now) < DenialLifetime }

// doubts reports whether a profile in memory does not answer the lookup, because the denial is
// fresh and of the table before a reload. The denial is no answer either: the new table may
// admit the user. Only the upstream can say. The profile may have come for another token of
// the user.
func (d *denial) doubts(l *Lookup, now time.Time) bool { return d.project != l.Project && d.fresh(now) }

// unsent says why a fetch was not sent: the governor has refused it. Other lookups that wait
// for the same fetch need not be refused for this reason.
type unsent uint8

const (
	wasSent      unsent = iota
	asBackground        // because of its priority: an interactive one may be sent
	forItsAsker         // because of its asker: another asker's may be sent
)

// fetched is the result of one fetch, for all lookups that wait for it.
type fetched struct {
	profile *profile
	asked   time.Time
	source  Source          // of profile
	denied  protocol.Reason // empty: no denial
	ofToken bool            // the denial is about the token, not about its user
	digest  cache.Key
	asker   fair.Asker
	unsent  unsent
	failure Verdict // unknown; set if there is neither a profile nor a denial
}

// fetch returns the function of a flight: it makes one call to the upstream and keeps the
// result.
func (s *profiles) fetch(key cache.Key, l *Lookup, e *entry, priority upstream.Priority) func(context.Context) fetched {
	return func(ctx context.Context) fetched {
		revision := s.purges.Current()
		f := fetched{asked: s.now(), digest: l.digest, asker: l.Asker}
		if p := s.get(key, l, f.asked); p != nil && !s.doubted(key, l, e, f.asked) && priority != upstream.Background && clock.Elapsed(p.asked, f.asked) < l.freshness() {
			f.profile, f.asked, f.source = p, p.asked, SourceCache // another flight has just fetched it
			return f
		}
		sh := s.share(l, e, priority)
		fails := func(err error) fetched {
			if s.failed(&f, key, l, e, err, revision, priority); f.denied == "" {
				s.takeLast(ctx, key, l, e, &sh, revision)
			}
			return f
		}
		if err := l.Project.mayAsk(l, e); err != nil { // a claim would cost the other hosts a call that is not made
			return fails(err)
		}
		switch have, failure := sh.claim(ctx); {
		case failure != nil:
			f.failure, f.unsent = *failure, unsentAs(priority)
			return f
		case have != nil:
			f.asked, f.source = s.now().Add(-have.Age), SourceCache
			if f.profile = s.shared(l, e, have.Profile, f.asked, revision); f.profile == nil {
				f.failure = unknown(protocol.CodeUnavailable, time.Second)
				return f
			}
			s.replace(key, f.profile, s.now()) // a denial stays: the upstream was not asked about this token
			return f
		}
		answer, err := l.Project.ask(ctx, l, e, priority)
		if err != nil {
			sh.finish(ctx, nil, err)
			return fails(err)
		}
		sh.finish(ctx, answer.body, nil)
		f.profile, f.source = newProfile(l, answer, f.asked, revision), SourceUpstream
		if e == nil {
			f.profile.entry = newEntry(l, answer.whose, revision, s.now())
			s.revocations.Note(f.profile.entry.facts())
		}
		f.profile.user = f.profile.evidence(e).user()
		s.keep(key, l, f.profile)
		return f
	}
}

// keep remembers a profile, and forgets denials and failures.
func (s *profiles) keep(key cache.Key, l *Lookup, p *profile) {
	s.denials.Delete(key)
	s.denials.Delete(cachekey.Denied(key, l.digest))
	s.troubles.Delete(key)
	s.holds.Delete(cachekey.Denied(key, l.digest))
	s.replace(key, p, s.now())
}

// replace replaces the profile in memory, and calls ended if clients may keep another one.
func (s *profiles) replace(key cache.Key, p *profile, now time.Time) {
	s.memory.keepProfile(key, p, now)
	if !s.mayKeep(key, version{p.project.pool, p.digest}) {
		s.ended(profileGround(p.project.name, key))
	}
}

// mayKeep notes that clients may keep answers with this version of the profile, and calls
// ended if they may keep another one. Memory cannot tell that: it may have dropped the other
// one, or never had room for it. mayKeep returns false if there is no room for the note;
// clients must then not keep the profile, because nobody could tell them of its end.
func (s *profiles) mayKeep(key cache.Key, is version) bool {
	before, had, noted := s.kept.Replace(key, is, claimsReuse)
	if had && before != is {
		s.ended(profileGround(is.pool.project, key))
	}
	return noted
}

// takeLast remembers the fleet's profile if it is younger than this host's. It is called
// after the upstream has failed, so that stale answers have the youngest profile.
func (s *profiles) takeLast(ctx context.Context, key cache.Key, l *Lookup, e *entry, sh *share, revision uint64) {
	body, age, ok := sh.last(ctx)
	if !ok {
		return
	}
	now := s.now()
	if own := s.get(key, l, now); own == nil || clock.Elapsed(own.asked, now) > age {
		if p := s.shared(l, e, body, now.Add(-age), revision); p != nil {
			s.replace(key, p, now)
		}
	}
}

// shared returns the profile from a body that another host has fetched for a token with
// claims e. The result of an introspection is checked again, as if it had come from the
// upstream; shared returns nil if it is not valid any more.
func (s *profiles) shared(l *Lookup, e *entry, body []byte, asked time.Time, revision uint64) *profile {
	a := answer{body: body}
	if l.introspects(e) {
		var outcome protocol.Outcome
		if a, outcome, _ = l.Project.read(body, e, s.now()); outcome.Status() != protocol.OK {
			return nil
		}
	}
	p := newProfile(l, a, asked, revision)
	p.user = e.user()
	return p
}

// newProfile makes a profile of an answer. asked is when the upstream was asked.
func newProfile(l *Lookup, a answer, asked time.Time, revision uint64) *profile {
	p := &profile{project: l.Project, revision: revision, asked: asked, body: a.body, digest: sha256.Sum256(a.body)}
	if !a.ends.IsZero() {
		p.ends = a.ends.Unix()
	}
	return p
}

// failed sets the result of a fetch that ended with an error of the upstream.
func (s *profiles) failed(f *fetched, key cache.Key, l *Lookup, claims *entry, err error, revision uint64, priority upstream.Priority) {
	var e *upstream.Error
	if !errors.As(err, &e) {
		f.failure = unknown(protocol.CodeUnavailable, time.Second)
		return
	}
	if _, told := s.troubles.Get(&key); e.Meaning != upstream.Denied && !(told && e.Local) {
		s.troubles.Set(key, e.Error(), troubleKept) // an open circuit does not replace its cause
	}
	if e.Meaning != upstream.Denied && !e.Local {
		l.Project.profileFailures.Add(1)
	}
	switch e.Meaning {
	case upstream.Denied:
		f.denied, f.ofToken = e.Denial, ofToken(e.Denial)
		s.holds.Delete(cachekey.Denied(key, l.digest))
		// The former profile must not answer after the denial, fresh or stale. Other tokens
		// of the user fetch a new one.
		s.memory.Delete(key)
		denied := key
		if f.ofToken {
			denied = cachekey.Denied(key, l.digest)
		}
		if !e.OwnClock { // a denial because of this host's clock may end when the clock is set right
			now, lifetime := s.now(), DenialLifetime
			if claims != nil {
				lifetime = max(lifetime, clock.Left(claims.deadline, now))
			}
			s.denials.Set(denied, denial{l.Project, revision, f.denied, now}, lifetime)
		}
		s.ended(profileGround(l.Project.name, key))
	case upstream.Misconfigured:
		f.failure = unknown(protocol.CodeMisconfigured, 0)
	default:
		f.failure = unknown(protocol.CodeUnavailable, max(time.Second, e.RetryAfter))
		if errors.Is(err, upstream.ErrNotSession) { // asking again will not help
			f.failure = unavailable(wording.NoProfile, 0)
		}
		if e.Local {
			f.unsent = unsentAs(priority)
		}
	}
	if e.Unfit() {
		s.holdBack(key, l, e, &f.failure, revision)
	}
}

// unsentAs returns why a fetch of that priority was not sent because of a budget or a pause.
func unsentAs(priority upstream.Priority) unsent {
	if priority != upstream.Interactive {
		return asBackground
	}
	return forItsAsker
}

// ofToken reports whether a denial is about the token only, and not about its user.
func ofToken(denial protocol.Reason) bool {
	return denial != protocol.ReasonUserNotFound && denial != protocol.ReasonClassNotAllowed
}
