// Package resolve reaches verdicts: it says what a credential is, what is
// remembered of it, what a verification finds, and what the profile adds. It knows
// no socket and no line.
//
// Read resolver.go and verify.go from the top: their functions are the order of
// decisions, and Explain goes the same way. What ends a verdict is in entry.go
// (time, withdrawn keys), in package revoke, and in package purge. A Project is what one
// configured upstream project is at work: its rules, its keys and its upstream.
package resolve

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"github.com/neonauthd/neonauthd/cache"
	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/daemon/resolve/purge"
	"github.com/neonauthd/neonauthd/daemon/revoke"
	"github.com/neonauthd/neonauthd/protocol"
)

const (
	// flightTimeout ends a flight that everything else has failed to end: it is
	// longer than any upstream_timeout can be.
	flightTimeout = config.MaxUpstreamTimeout + 5*time.Second
	// RejectionsKept is how many rejections are remembered, whatever comes.
	RejectionsKept = 8192
)

// Config is what a Resolver is made of. All of it is required but ClockFloor and
// Ended.
type Config struct {
	// MaxBytes bounds the cache of verdicts and profiles.
	MaxBytes int64
	// Revocations are asked about each verdict, and told of what was seen.
	Revocations *revoke.List
	// Now is the clock, with both readings; see package clock.
	Now func() time.Time
	// ClockFloor is the earliest time the wall clock can rightly show; before it no
	// token is judged. Zero checks nothing.
	ClockFloor time.Time
	// Fleet returns the fleet that profiles and budgets are shared with; not ok while
	// there is none. nil: there is never one.
	Fleet func() (f Fleet, ok bool)
	// Log hears of what an operator may have to mend.
	Log *slog.Logger
	// Panicked is told of a panic in a verification or a fetch, which costs those who
	// wait for it their verdict. It must not keep value, which may hold a token.
	Panicked func(value any, stack []byte)
	// Ended is told what has ended of that which accepted verdicts rest on, when it has,
	// unless it was ended from outside (see package revoke, and the Purge methods); nil
	// ignores it. It must return soon.
	Ended func(...Ground)
}

// Resolver reaches verdicts. Make it with New, end it with Close. Safe for
// concurrent use.
type Resolver struct {
	memory        *memory
	rejections    *cache.Recent[rejection]
	flights       *cache.Flights[Verdict]
	verifications *fair.Gate
	places        places
	logouts       chan struct{}   // one for each logout token that waits for keys
	sessions      *fair.Allowance // of lookups that only the upstream can judge
	profiles      *profiles
	purges        *purge.List
	revocations   *revoke.List
	now           func() time.Time
	clockFloor    time.Time
	log           *slog.Logger
	stop          context.CancelFunc // ends flights and refreshes
}

// rejection is a remembered no. It counts only for the project and the key set
// it was reached under, and from an instant on if it rests on the clock: should
// that be set back, the token may not be over.
type rejection struct {
	project  *Project
	keys     *keyset.Set
	revision uint64
	proof    protocol.Reason
	from     time.Time // by the wall clock; zero: whatever the clock says
}

// New returns a Resolver that remembers nothing yet. It starts nothing but the
// cache's own housekeeping.
func New(c Config) (*Resolver, error) {
	memory, err := newMemory(c.MaxBytes, c.Now)
	if err != nil {
		return nil, fmt.Errorf("cache: %w", err)
	}
	if c.Ended == nil {
		c.Ended = func(...Ground) {}
	}
	owner, stop := context.WithCancel(context.Background())
	flights := cache.FlightsConfig{Timeout: flightTimeout, Panicked: c.Panicked}
	purges := &purge.List{}
	return &Resolver{
		memory:        memory,
		rejections:    cache.NewRecent[rejection](RejectionsKept, c.Now),
		flights:       cache.NewFlights[Verdict](owner, flights),
		verifications: fair.NewGate(fair.Verifications(runtime.GOMAXPROCS(0))),
		places:        newPlaces(),
		logouts:       make(chan struct{}, MaxLogoutsWaiting),
		sessions:      fair.NewAllowance(c.Now, fair.SessionBurst, fair.SessionEvery, fair.SessionAskers),
		profiles: &profiles{
			memory:      memory,
			denials:     cache.NewRecent[denial](RejectionsKept, c.Now),
			recent:      cache.NewRecent[struct{}](RejectionsKept, c.Now),
			troubles:    cache.NewRecent[string](troublesKept, c.Now),
			flights:     cache.NewFlights[fetched](owner, flights),
			purges:      purges,
			revocations: c.Revocations,
			fleet:       c.Fleet,
			now:         c.Now,
			log:         c.Log,
			ended:       c.Ended,
			owner:       owner,
			refreshes:   make(chan struct{}, MaxRefreshes),
		},
		purges:      purges,
		revocations: c.Revocations,
		now:         c.Now,
		clockFloor:  c.ClockFloor,
		log:         c.Log,
		stop:        stop,
	}, nil
}

// Run frees what has expired in an idle cache, now and then, until ctx ends.
func (r *Resolver) Run(ctx context.Context) { r.memory.tidy(ctx) }

// Close ends the flights, the refreshes and the cache. Nobody may ask any more.
func (r *Resolver) Close() {
	r.stop()
	r.profiles.background.Wait()
	r.flights.Wait()
	r.profiles.flights.Wait()
	r.memory.Close()
}

// Recall answers from memory: it never waits, and takes no lock but the cache's.
// Not ok means that Resolve has to be asked, once Admit has let the lookup in.
func (r *Resolver) Recall(l *Lookup) (v Verdict, ok bool) {
	now := r.now()
	l.classify()
	switch l.kind {
	case signed:
		return r.recallToken(l, now)
	case opaque:
		return r.recallOpaque(l, now)
	case malformed:
	}
	return rejected(protocol.ReasonMalformed), true
}

// recallToken answers for a token. What is remembered needs no gate: it is of these
// very bytes, and they have passed it.
func (r *Resolver) recallToken(l *Lookup, now time.Time) (Verdict, bool) {
	timely := r.timely(now)
	if timely {
		if e := r.kept(l, now); e != nil && r.holds(l, e, now) {
			return r.recallEntry(l, e, now)
		}
		if no, hit := r.rejections.GetAt(&l.digest, now); hit && r.stands(l, no, now) {
			return rejected(no.proof), true
		}
	}
	switch {
	case !keyset.Gate(l.Token):
		return rejected(protocol.ReasonMalformed), true
	case !timely:
		return unknown(protocol.CodeUnavailable, 0), true
	}
	return Verdict{}, false
}

// kept is what is remembered of the token. A lookup that is explained counts as none.
func (r *Resolver) kept(l *Lookup, now time.Time) *entry {
	if l.trace != nil {
		return r.memory.entry(&l.digest, now)
	}
	return r.memory.recallEntry(&l.digest, now)
}

// recallOpaque answers for a credential that only the upstream can judge. It has no
// claims of its own.
func (r *Resolver) recallOpaque(l *Lookup, now time.Time) (Verdict, bool) {
	switch {
	case l.notAdmitted:
		return rejected(protocol.ReasonClassNotAllowed), true
	case l.Level != LevelProfile:
		return unknown(protocol.CodeNeedsProfile, 0), true
	case !r.timely(now):
		return unknown(protocol.CodeUnavailable, 0), true
	}
	return r.profiles.recall(l, nil, now)
}

// timely reports whether the clock can be right, as far as is known.
func (r *Resolver) timely(now time.Time) bool { return !now.Before(r.clockFloor) }

// holds reports whether what is remembered of the token may still be believed:
// it lives, no purge has hit it, and the key set it rests on is not too old.
func (r *Resolver) holds(l *Lookup, e *entry, now time.Time) bool {
	if !e.alive(l.Project, now) {
		return false
	}
	_, usable := l.keys(now)
	return usable && !r.purges.Covers(e.revision, l.digest, e.user())
}

// recallEntry answers for a token whose claims are known to hold.
func (r *Resolver) recallEntry(l *Lookup, e *entry, now time.Time) (Verdict, bool) {
	switch {
	case e.revoked(r.revocations, l.Token):
		return rejected(protocol.ReasonRevoked), true
	case l.Level == LevelProfile:
		return r.profiles.recall(l, e, now)
	}
	return r.remembered(l, e, now), true
}

// remembered is the verdict on a token that was verified earlier.
func (r *Resolver) remembered(l *Lookup, e *entry, now time.Time) Verdict {
	return e.accept(sourceOf(l.Project.keys.Snapshot(), SourceCache, now), now)
}

// stands reports whether a remembered rejection still counts.
func (r *Resolver) stands(l *Lookup, no rejection, now time.Time) bool {
	keys := l.Project.keys.Snapshot()
	return no.project == l.Project && keys != nil && no.keys == keys.Set() && !now.Round(0).Before(no.from) &&
		!r.purges.Covers(no.revision, l.digest, purge.Subject{})
}

// Admit gives a lookup that Recall could not answer a place to wait at, or reports
// that its asker has used up its share. Leave ends what Admit has given.
func (r *Resolver) Admit(l *Lookup) bool {
	if l.OnlyUpstream() && !r.sessions.Allow(l.Asker) {
		return false
	}
	of := r.places.local
	if l.OnlyUpstream() {
		of = r.places.upstream
	}
	if !of.TakeFor(l.Asker) {
		return false
	}
	l.place = &place{places: r.places, asker: l.Asker, of: of}
	return true
}

// Leave gives back the place of a lookup that was admitted.
func (r *Resolver) Leave(l *Lookup) { l.place.of.GiveFor(l.place.asker) }

// Resolve reaches the verdict that Recall could not give. It returns within the
// deadline of ctx; what it began for others goes on without it.
func (r *Resolver) Resolve(ctx context.Context, l *Lookup) Verdict {
	if l.kind == opaque {
		return r.profiles.resolve(ctx, l, nil)
	}
	v := r.verify(l, func() (Verdict, error) { return r.inTurn(ctx, l) })
	if v.Status() != protocol.OK || l.Level != LevelProfile {
		return v
	}
	if known, ok := r.profiles.known(l, v.entry, r.now()); ok { // of another token of this user
		return known
	}
	return r.profiles.resolve(ctx, l, v.entry)
}
