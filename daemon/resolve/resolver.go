// Package resolve answers lookups. It recognises the kind of a credential, looks into
// memory, verifies the credential, and fetches the profile. It knows nothing of sockets
// and lines.
//
// Read resolver.go and verify.go from the top: their functions are in the order of the
// decisions, and Explain takes the same path. A verdict ends by time or by a withdrawn
// key (entry.go), by a revocation (package revoke), or by a purge (package purge). A
// Project is a configured upstream project at run time: its rules, its keys and its
// upstream.
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
	// flightTimeout is the last limit of a flight. It is longer than any
	// upstream_timeout.
	flightTimeout = config.MaxUpstreamTimeout + 5*time.Second
	// RejectionsKept is how many rejections are remembered at most.
	RejectionsKept = 8192
)

// Config is the configuration of a Resolver. All fields but ClockFloor, Fleet and
// Ended are required.
type Config struct {
	// MaxBytes bounds the cache of verdicts and profiles.
	MaxBytes int64
	// Revocations is the list of revocations, which each accepted verdict is checked
	// against. It is told of each verified token.
	Revocations *revoke.List
	// Now returns the time with the wall clock's and the monotonic clock's reading; see
	// package clock.
	Now func() time.Time
	// ClockFloor is the earliest time that the wall clock can show if it is right. Before
	// this time every answer is unknown. Zero: no check.
	ClockFloor time.Time
	// Fleet returns the fleet that shares profiles and budgets. ok is false while there is
	// none. nil: there is never one.
	Fleet func() (f Fleet, ok bool)
	// Log gets a line for each fault that an operator may have to mend.
	Log *slog.Logger
	// Panicked is called after a panic in a verification or a fetch. The lookups that wait
	// for it are answered unknown. Panicked must not keep value, which may have a token.
	Panicked func(value any, stack []byte)
	// Ended is called when grounds of accepted verdicts have ended, except by revocations
	// (package revoke) and the Purge methods. It must return soon. nil: nothing is called.
	Ended func(...Ground)
}

// Resolver answers lookups. Make it with New and end it with Close. It is safe for
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

// rejection is a remembered rejection. It is valid only for its project and its key
// set. If it rests on the clock, it is valid only from an instant on: if the clock is
// set back, the token may not have expired.
type rejection struct {
	project  *Project
	keys     *keyset.Set
	revision uint64
	proof    protocol.Reason
	from     time.Time // by the wall clock; zero: at any time
}

// New returns a Resolver with an empty memory. It starts only the cache's own
// housekeeping.
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
		sessions:      fair.NewAllowance(c.Now, fair.SessionBurst, fair.SessionEvery, fair.SessionAskers()),
		profiles: &profiles{
			memory:      memory,
			denials:     cache.NewRecent[denial](RejectionsKept, c.Now),
			kept:        cache.NewRecent[version](VersionsKept, c.Now),
			recent:      cache.NewRecent[struct{}](RejectionsKept, c.Now),
			troubles:    cache.NewRecent[string](troublesKept, c.Now),
			holds:       cache.NewRecent[hold](troublesKept, c.Now),
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

// Run frees expired entries of an idle cache regularly, until ctx ends.
func (r *Resolver) Run(ctx context.Context) { r.memory.tidy(ctx) }

// Retime keeps the profiles in memory for as long as the rhythms of their projects say now.
// Call it after a reload, with the projects in force.
func (r *Resolver) Retime(list []*Project) { r.memory.retime(list, r.now()) }

// Close ends the flights, the refreshes and the cache. No method may be called after it.
func (r *Resolver) Close() {
	r.stop()
	r.profiles.background.Wait()
	r.flights.Wait()
	r.profiles.flights.Wait()
	r.memory.Close()
}

// Recall answers from memory. It never waits, and takes no lock but the cache's. If ok
// is false, the caller has to call Admit and then Resolve.
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

// recallToken is Recall for a token. A remembered verdict is for exactly these bytes,
// which have passed keyset.Gate, so Gate is not called again.
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
		return untimely(), true
	}
	return Verdict{}, false
}

// kept returns the entry of the token in memory, or nil. A lookup of Explain is not
// counted as a hit or a miss.
func (r *Resolver) kept(l *Lookup, now time.Time) *entry {
	if l.trace != nil {
		return r.memory.entry(&l.digest, now)
	}
	return r.memory.recallEntry(&l.digest, now)
}

// recallOpaque is Recall for a credential that only the upstream can judge. Such a
// credential has no claims.
func (r *Resolver) recallOpaque(l *Lookup, now time.Time) (Verdict, bool) {
	switch {
	case l.notAdmitted:
		return rejected(protocol.ReasonClassNotAllowed), true
	case l.Level != LevelProfile:
		return unknown(protocol.CodeNeedsProfile, 0), true
	case !r.timely(now):
		return untimely(), true
	}
	return r.profiles.recall(l, nil, now)
}

// ClockUnset reports whether the clock shows a time before ClockFloor, so that no lookup is
// judged.
func (r *Resolver) ClockUnset() bool { return !r.timely(r.now()) }

// timely reports whether the clock is at ClockFloor or later.
func (r *Resolver) timely(now time.Time) bool { return !now.Before(r.clockFloor) }

// holds reports whether the entry of the token is still valid: it is alive, no purge
// covers it, and the key set is not too old.
func (r *Resolver) holds(l *Lookup, e *entry, now time.Time) bool {
	if !e.alive(l.Project, now) {
		return false
	}
	_, usable := l.keys(now)
	return usable && !r.purges.Covers(e.revision, l.digest, e.user())
}

// recallEntry is Recall for a token with a valid entry.
func (r *Resolver) recallEntry(l *Lookup, e *entry, now time.Time) (Verdict, bool) {
	switch {
	case e.revoked(r.revocations):
		return rejected(protocol.ReasonRevoked), true
	case l.Level == LevelProfile:
		return r.profiles.recall(l, e, now)
	}
	return r.remembered(l, e, now), true
}

// remembered returns the verdict for a token that was verified earlier.
func (r *Resolver) remembered(l *Lookup, e *entry, now time.Time) Verdict {
	return e.accept(sourceOf(l.Project.keys.Snapshot(), SourceCache, now), now)
}

// stands reports whether a remembered rejection is still valid.
func (r *Resolver) stands(l *Lookup, no rejection, now time.Time) bool {
	keys := l.Project.keys.Snapshot()
	return no.project == l.Project && keys != nil && no.keys == keys.Set() && !now.Round(0).Before(no.from) &&
		!r.purges.Covers(no.revision, l.digest, purge.Subject{})
}

// Admit takes a place for a lookup that Recall could not answer. It returns false if the
// asker has used up its share. After Admit has returned true, call Leave when the lookup
// is answered.
func (r *Resolver) Admit(l *Lookup) bool {
	of := r.places.local
	if l.kind == opaque {
		of = r.places.upstream
	}
	if !of.TakeFor(l.Asker) {
		return false
	}
	if l.kind == opaque && !r.sessions.Allow(l.Asker) { // last, because it is spent for good
		of.GiveFor(l.Asker)
		return false
	}
	l.place = &place{places: r.places, asker: l.Asker, of: of}
	return true
}

// Leave gives back the place of a lookup that was admitted.
func (r *Resolver) Leave(l *Lookup) { l.place.of.GiveFor(l.place.asker) }

// Resolve answers a lookup that Recall could not answer. It returns within the deadline of
// ctx. A verification or a fetch that other lookups wait for goes on without it.
func (r *Resolver) Resolve(ctx context.Context, l *Lookup) Verdict {
	if l.kind == opaque {
		return r.profiles.resolve(ctx, l, nil)
	}
	v := r.verify(l, func() (Verdict, error) { return r.inTurn(ctx, l) })
	if v.Status() != protocol.OK || l.Level != LevelProfile {
		return v
	}
	if known, ok := r.profiles.known(l, v.entry, r.now()); ok { // fetched for another token of this user
		return known
	}
	return r.profiles.resolve(ctx, l, v.entry)
}
