package resolve

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/neonauthd/neonauthd/cache"
	"github.com/neonauthd/neonauthd/daemon/clock"
	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/daemon/resolve/cachekey"
	"github.com/neonauthd/neonauthd/daemon/upstream"
	"github.com/neonauthd/neonauthd/protocol"
)

// denial is a no of the upstream. It answers for DenialLifetime, and is remembered for as
// long as the token could be accepted: nothing but the upstream takes it back.
type denial struct {
	project  *Project
	revision uint64
	reason   protocol.Reason
	at       time.Time // when the answer had come, with monotonic reading
}

// fresh reports whether the upstream need not be asked again.
func (d *denial) fresh(now time.Time) bool { return clock.Elapsed(d.at, now) < DenialLifetime }

// unsent tells that a fetch was not sent, because the governor did not let it
// through. Others who wait for it need not be refused as well.
type unsent uint8

const (
	wasSent      unsent = iota
	asBackground        // an interactive one may be let through
	forItsAsker         // another asker's turn may come
)

// fetched is what one fetch came to, for all that wait for it.
type fetched struct {
	profile *profile
	asked   time.Time
	source  Source          // of profile
	denied  protocol.Reason // empty: no denial
	ofToken bool            // the denial is about the token that was shown, not about its user
	digest  cache.Key
	asker   fair.Asker
	unsent  unsent
	failure Verdict // unknown, if there is neither profile nor denial
}

// fetch returns the run of a flight: one call to the upstream and what follows
// from its answer.
func (s *profiles) fetch(key cache.Key, l *Lookup, e *entry, priority upstream.Priority) func(context.Context) fetched {
	return func(ctx context.Context) fetched {
		revision := s.purges.Current()
		f := fetched{asked: s.now(), digest: l.digest, asker: l.Asker}
		if p := s.get(key, l, f.asked); p != nil && priority != upstream.Background && clock.Elapsed(p.asked, f.asked) < l.freshness() {
			f.profile, f.asked = p, p.asked // the flight before this one has just landed
			return f
		}
		sh := s.share(l, e, priority)
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
			s.replace(key, f.profile, s.now()) // and no denial is lifted: the upstream was not asked about this token
			return f
		}
		answer, err := l.Project.ask(ctx, l, e, priority)
		if err != nil {
			sh.finish(ctx, nil, err)
			if s.failed(&f, key, l, e, err, revision, priority); f.denied == "" {
				s.takeLast(ctx, key, l, e, &sh, revision)
			}
			return f
		}
		sh.finish(ctx, answer.body, nil)
		f.profile = newProfile(l, answer, f.asked, revision)
		if e == nil {
			f.profile.entry = newEntry(l.Project, answer.whose, revision, s.now())
			s.revocations.Note(f.profile.entry.facts(nil))
		}
		f.profile.user = f.profile.evidence(e).user()
		s.keep(key, l, f.profile)
		return f
	}
}

// keep remembers a profile, and forgets what was said against it.
func (s *profiles) keep(key cache.Key, l *Lookup, p *profile) {
	s.denials.Delete(key)
	s.denials.Delete(cachekey.Denied(key, l.digest))
	s.troubles.Delete(key)
	s.replace(key, p, s.now())
}

// replace puts a profile in the place of the one that is remembered, and tells if it
// is another one.
func (s *profiles) replace(key cache.Key, p *profile, now time.Time) {
	before := s.memory.profile(&key, now)
	s.memory.keepProfile(key, p, now)
	if before != nil && !bytes.Equal(before.body, p.body) {
		s.ended(profileGround(p.project.name, key))
	}
}

// takeLast remembers the fleet's profile where it is younger than this host's: the
// upstream has just failed, and what is there is all that stale answers can have.
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

// shared is a profile that another host has fetched for a token with claims e. What
// introspection says is read again, as if it had come from the upstream; nil if it does
// not hold any more.
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

// newProfile is what the upstream has answered when it was asked.
func newProfile(l *Lookup, a answer, asked time.Time, revision uint64) *profile {
	p := &profile{project: l.Project, revision: revision, asked: asked, body: a.body}
	if !a.ends.IsZero() {
		p.ends = a.ends.Unix()
	}
	return p
}

// failed turns an upstream's error into what it means for those who wait.
func (s *profiles) failed(f *fetched, key cache.Key, l *Lookup, claims *entry, err error, revision uint64, priority upstream.Priority) {
	var e *upstream.Error
	if !errors.As(err, &e) {
		f.failure = unknown(protocol.CodeUnavailable, time.Second)
		return
	}
	if _, told := s.troubles.Get(&key); e.Meaning != upstream.Denied && !(told && e.Local) {
		s.troubles.Set(key, e.Error(), troubleKept) // an open circuit is not the reason for itself
	}
	if e.Meaning != upstream.Denied && !e.Local {
		l.Project.profileFailures.Add(1)
	}
	switch e.Meaning {
	case upstream.Denied:
		f.denied, f.ofToken = e.Denial, ofToken(e.Denial)
		// Whoever was denied is not served what was fetched before, fresh or
		// stale, once the denial is forgotten. Other tokens of the user fetch anew.
		s.memory.Delete(key)
		denied := key
		if f.ofToken {
			denied = cachekey.Denied(key, l.digest)
		}
		if !e.OwnClock { // else the clock may be set right meanwhile
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
			f.failure.RetryAfter = 0
		}
		if e.Local {
			f.unsent = unsentAs(priority)
		}
	}
}

// unsentAs is why a fetch of that priority was not sent, by a budget or a pause.
func unsentAs(priority upstream.Priority) unsent {
	if priority != upstream.Interactive {
		return asBackground
	}
	return forItsAsker
}

// ofToken reports whether a denial by the upstream is about the token alone, and
// not about its user.
func ofToken(denial protocol.Reason) bool {
	return denial != protocol.ReasonUserNotFound && denial != protocol.ReasonClassNotAllowed
}
