package daemon

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/neonauthd/neonauthd/cache"
	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/daemon/keyring"
	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/daemon/revoke"
	"github.com/neonauthd/neonauthd/internal/program"
	"github.com/neonauthd/neonauthd/protocol"
)

// Bounds of a lookup.
const (
	// DefaultDeadline is how long a lookup waits when its caller names no deadline.
	DefaultDeadline = 5 * time.Second
	// rejectionLifetime is how long a rejection is remembered.
	rejectionLifetime = 30 * time.Second
	// tooManyKeysInterval is how often the operator hears that a token named none
	// of too many keys.
	tooManyKeysInterval = 10 * time.Minute
)

// lookup is one question about one token.
type lookup struct {
	project  *project
	token    []byte
	level    Level
	maxAge   time.Duration // greatest age of a profile the caller takes; negative: as configured
	fallback bool          // claims will do when the profile cannot be had
	asker    fair.Asker    // whose share of things the lookup takes
	place    *place        // what it takes while it waits; nil for a question of our own

	// Set by recall:
	kind   kind      // of token; malformed as long as a hit made it needless to look
	digest cache.Key // of token, or of a session credential's canonical spelling
	names  *names    // of a session credential; nil for others
}

// resolver reaches verdicts. Its methods, read from the top, are the order of
// decisions: what memory knows, what the gate refuses, what a verification
// finds, what the profile adds. Safe for concurrent use.
type resolver struct {
	memory        *memory
	rejections    *cache.Recent[rejection]
	flights       *cache.Flights[Verdict]
	verifications *fair.Gate
	profiles      *profiles
	floors        *floors
	revocations   *revoke.List
	now           func() time.Time
	clockFloor    time.Time
	log           *slog.Logger
}

// rejection is a remembered no. It counts only for the project and the key set
// it was reached under, and from an instant on if it rests on the clock: should
// that be set back, the token may not be over.
type rejection struct {
	project  *project
	keys     *keyset.Set
	revision uint64
	proof    protocol.Reason
	from     time.Time // by the wall clock; zero: whatever the clock says
}

// recall answers from memory: it never waits, and takes no lock but the cache's.
// Not ok means that resolve has to be asked.
//
// A hit is a hash and a lookup. It needs no gate: what is kept under a token's
// digest is of these very bytes, and they have passed it.
func (r *resolver) recall(l *lookup) (v Verdict, ok bool) {
	now := r.now()
	timely := !now.Before(r.clockFloor)
	if keyset.Shaped(l.token) {
		l.digest = digestOf(l.token)
		if e := r.memory.entry(&l.digest, now); e != nil && timely && r.holds(l, e, now) {
			return r.recallEntry(l, e, now)
		}
	}
	switch k := l.classify(); {
	case k == malformed:
		return rejected(protocol.ReasonMalformed), true
	case k == session && l.level != LevelProfile:
		return unknown(protocol.CodeNeedsProfile, 0), true
	case !timely:
		return unknown(protocol.CodeUnavailable, 0), true
	case k == session:
		return r.profiles.recall(l, nil, now)
	}
	if no, hit := r.rejections.GetAt(&l.digest, now); hit && r.stands(l, no, now) {
		return rejected(no.proof), true
	}
	return Verdict{}, false
}

// holds reports whether what is remembered of the token may still be believed:
// it lives, no purge has hit it, and the key set it rests on is not too old.
func (r *resolver) holds(l *lookup, e *entry, now time.Time) bool {
	if !e.alive(l.project, now) {
		return false
	}
	_, usable := l.project.keys.Current(now)
	return usable && r.floors.above(e.revision, l.digest, e.user())
}

// recallEntry answers for a token whose claims are known to hold.
func (r *resolver) recallEntry(l *lookup, e *entry, now time.Time) (Verdict, bool) {
	switch {
	case e.revoked(r.revocations, l.token):
		return rejected(protocol.ReasonRevoked), true
	case l.level == LevelProfile:
		return r.profiles.recall(l, e, now)
	}
	return r.remembered(l, e, now), true
}

// remembered is the verdict on a token that was verified earlier.
func (r *resolver) remembered(l *lookup, e *entry, now time.Time) Verdict {
	return e.accept(sourceOf(l.project.keys.Snapshot(), SourceCache, now), now)
}

// stands reports whether a remembered rejection still counts.
func (r *resolver) stands(l *lookup, no rejection, now time.Time) bool {
	keys := l.project.keys.Snapshot()
	return no.project == l.project && keys != nil && no.keys == keys.Set() && !now.Round(0).Before(no.from) &&
		r.floors.above(no.revision, l.digest, subjectKey{})
}

// resolve reaches the verdict that recall could not give. It returns within the
// deadline of ctx; what it began for others goes on without it.
func (r *resolver) resolve(ctx context.Context, l *lookup) Verdict {
	if l.kind == session {
		return r.profiles.resolve(ctx, l, nil)
	}
	v := r.verify(ctx, l)
	if v.Status() != protocol.OK || l.level != LevelProfile {
		return v
	}
	if known, ok := r.profiles.recall(l, v.entry, r.now()); ok { // of another token of this user
		return known
	}
	return r.profiles.resolve(ctx, l, v.entry)
}

// verify joins or begins the verification of the token, when it is the asker's
// turn.
func (r *resolver) verify(ctx context.Context, l *lookup) Verdict {
	// Twice: a verification that began before a purge returned may end after
	// it; whoever asked after the purge must not be served by it.
	for range 2 {
		v, err := r.inTurn(ctx, l)
		if err != nil {
			return unfinished(err)
		}
		if v.Status() != protocol.OK {
			return v
		}
		switch now := r.now(); {
		case v.entry.revoked(r.revocations, l.token):
			return rejected(protocol.ReasonRevoked)
		case v.entry.alive(l.project, now) && r.floors.above(v.entry.revision, l.digest, v.entry.user()):
			return v
		}
	}
	return unknown(protocol.CodeBusy, time.Second)
}

// inTurn joins or begins the verification once the gate lets the asker in. What
// waits for the upstream waits outside.
func (r *resolver) inTurn(ctx context.Context, l *lookup) (Verdict, error) {
	if err := r.verifications.Enter(ctx, l.asker); err != nil {
		return Verdict{}, err
	}
	inside := true
	leave := func() {
		if inside {
			inside = false
			r.verifications.Leave(l.asker.ID)
		}
	}
	defer leave()
	v, _, err := r.flights.DoSlow(ctx, l.project.flight(l.digest), func(ctx context.Context, slow func()) Verdict {
		return r.establish(ctx, l, slow)
	}, func() bool {
		leave()
		return l.place.forUpstream()
	})
	return v, err
}

// unfinished is the verdict of a flight that brought none.
func unfinished(err error) Verdict {
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return unknown(protocol.CodeDeadline, time.Second)
	case errors.Is(err, cache.ErrBusy):
		return unknown(protocol.CodeBusy, time.Second)
	default: // stopped, or a panic that has been logged where it happened
		return unknown(protocol.CodeUnavailable, time.Second)
	}
}

// establish verifies the token under the keys there are, and has keys fetched
// when they do not suffice. It runs once for all who ask about the token, and
// calls slow before it waits for the upstream.
func (r *resolver) establish(ctx context.Context, l *lookup, slow func()) Verdict {
	revision, began := r.floors.current(), r.now()
	if e := r.memory.entry(&l.digest, began); e != nil && r.holds(l, e, began) {
		return r.remembered(l, e, began) // the flight before this one has just landed
	}
	// Bounded: each round but the last follows a change of the key set.
	for range 4 {
		now := r.now()
		keys, usable := l.project.keys.Current(now)
		if !usable {
			f, wait := l.project.keys.Seek(ctx, l.asker.ID, "", keys, slow)
			switch {
			case f == keyring.Changed:
				continue
			case keys == nil:
				return unknown(protocol.CodeKeysPending, max(time.Second, wait))
			}
			return unknown(protocol.CodeUnavailable, wait) // there were keys; the upstream has been gone for too long
		}
		claims, outcome := keyset.Verify(l.project.policy, keys.Set(), l.token, now, nil)
		if kid := newerKey(l, outcome, keys, began, now); kid != "" {
			f, wait := l.project.keys.Seek(ctx, l.asker.ID, kid, keys, slow)
			if f == keyring.Changed {
				continue
			}
			if f == keyring.Pending {
				return unknown(protocol.CodeKeysPending, max(time.Second, wait))
			}
		}
		return r.conclude(l, keys, &claims, outcome, revision, now)
	}
	return unknown(protocol.CodeKeysPending, time.Second)
}

// unnamedKey, with the token's digest behind it, stands for the key of a token
// that names none: what a fetch proves of one such token it does not prove of
// the next. No key of any set has such an id.
const unnamedKey = "\x00"

// newerKey is the id of the key that a newer key set may hold and that would
// change the outcome, or "" if the outcome is proven. A key that is there, and
// has not signed, may have been replaced under its id since the upstream last
// confirmed it; since is when the lookup began.
func newerKey(l *lookup, outcome protocol.Outcome, tried *keyring.Snapshot, since, now time.Time) string {
	kid, doubtful := l.project.policy.Doubt(l.token, outcome)
	switch {
	case !doubtful:
		return ""
	case kid == "":
		return unnamedKey + string(l.digest[:])
	case outcome.Reason() != protocol.ReasonUnknownKey && l.project.keys.Confirmed(tried, since, now):
		return ""
	default:
		return kid
	}
}

// conclude turns the outcome of the cryptographic check into a verdict and
// remembers it.
func (r *resolver) conclude(l *lookup, keys *keyring.Snapshot, claims *keyset.Claims, outcome protocol.Outcome, revision uint64, now time.Time) Verdict {
	switch outcome.Status() {
	case protocol.OK:
		e := newEntry(l.project, claims, revision, now)
		r.revocations.Note(e.facts(nil))
		r.memory.keepEntry(l.digest, e, now)
		return e.accept(sourceOf(keys, SourceUpstream, now), now)
	case protocol.ERR:
		return r.unjudged(l, outcome.Code())
	case protocol.NO:
	}
	if lifetime := lasting(l, keys, outcome, now); lifetime > 0 {
		no := rejection{project: l.project, keys: keys.Set(), revision: revision, proof: outcome.Reason()}
		if no.proof == protocol.ReasonExpired {
			no.from = now.Round(0)
		}
		r.rejections.Set(l.digest, no, lifetime)
	}
	return rejected(outcome.Reason())
}

// unjudged tells the operator why the cryptographic check could not judge a token.
func (r *resolver) unjudged(l *lookup, why protocol.Code) Verdict {
	if why == protocol.CodeMisconfigured {
		r.log.LogAttrs(context.Background(), slog.LevelError, "a token names no key, and the key set has more of its algorithm than are tried; see that the issuer writes kid, or publishes fewer",
			program.Every(tooManyKeysInterval, l.project.name), slog.String("project", l.project.name), slog.Int("tried", keyset.MaxTried))
		return unknown(why, 0)
	}
	r.log.Error("a token could not be judged by a fault of ours and was answered unavailable; please report this line", "project", l.project.name)
	return unknown(why, time.Second)
}

// lasting is how long a rejection is remembered. A key may be published, and a
// time may come, meanwhile: those two are decided afresh. What rests on a key
// being up to date is remembered no longer than the key is taken to be.
func lasting(l *lookup, keys *keyring.Snapshot, outcome protocol.Outcome, now time.Time) time.Duration {
	if proof := outcome.Reason(); proof == protocol.ReasonUnknownKey || proof == protocol.ReasonNotYetValid {
		return 0
	}
	if kid, doubtful := l.project.policy.Doubt(l.token, outcome); doubtful && kid != "" {
		return min(rejectionLifetime, l.project.keys.ConfirmedFor(keys, now))
	}
	return rejectionLifetime
}
