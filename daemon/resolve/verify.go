package resolve

import (
	"context"
	"log/slog"
	"time"

	"github.com/neonauthd/neonauthd/daemon/keyring"
	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/internal/program"
	"github.com/neonauthd/neonauthd/protocol"
)

const (
	// RejectionLifetime is how long a rejection is remembered.
	RejectionLifetime = 30 * time.Second
	// tooManyKeysInterval is how often the operator hears that a token named none
	// of too many keys.
	tooManyKeysInterval = 10 * time.Minute
)

// verify has establish judge the token, and adds what ends a verdict whoever
// reached it.
func (r *Resolver) verify(l *Lookup, establish func() (Verdict, error)) Verdict {
	// Twice: a verification that began before a purge returned may end after
	// it; whoever asked after the purge must not be served by it.
	for range 2 {
		v, err := establish()
		if err != nil {
			return unfinished(err)
		}
		if v.Status() != protocol.OK {
			return v
		}
		now := r.now()
		revoked := v.entry.revoked(r.revocations, l.Token)
		l.trace.revocation(revoked)
		switch {
		case revoked:
			return rejected(protocol.ReasonRevoked)
		case v.entry.alive(l.Project, now) && !r.purges.Covers(v.entry.revision, l.digest, v.entry.user()):
			return v
		}
	}
	return unknown(protocol.CodeBusy, time.Second)
}

// inTurn joins or begins the verification once the gate lets the asker in. What
// waits for the upstream waits outside.
func (r *Resolver) inTurn(ctx context.Context, l *Lookup) (Verdict, error) {
	if err := r.verifications.Enter(ctx, l.Asker); err != nil {
		return Verdict{}, err
	}
	inside := true
	leave := func() {
		if inside {
			inside = false
			r.verifications.Leave(l.Asker.ID)
		}
	}
	defer leave()
	v, _, err := r.flights.DoSlow(ctx, l.Project.flight(l.digest), func(ctx context.Context, slow func()) Verdict {
		if known, ok := r.landed(l); ok {
			return known
		}
		w := walk{r, l, ctx, slow}
		return w.establish()
	}, func() bool {
		leave()
		return l.place.forUpstream()
	})
	return v, err
}

// landed is what the flight before this one has found out, if it has just landed.
func (r *Resolver) landed(l *Lookup) (Verdict, bool) {
	now := r.now()
	if e := r.memory.entry(&l.digest, now); e != nil && r.holds(l, e, now) {
		return r.remembered(l, e, now), true
	}
	return Verdict{}, false
}

// walk is the way of one token through the checks that need keys. VERIFY and
// EXPLAIN both go it.
type walk struct {
	*Resolver
	l    *Lookup
	ctx  context.Context // of the flight
	slow func()          // called before the walk waits for the upstream
}

// seek looks for a key that the set tried does not hold, or for any set if kid is
// empty. A walk that is explained asks nobody and finds what is known already.
func (w *walk) seek(kid string, tried *keyring.Snapshot) (keyring.SeekResult, time.Duration) {
	if w.l.trace != nil {
		return w.l.Project.keys.Known(kid, tried), 0
	}
	return w.l.Project.keys.Seek(w.ctx, w.l.Asker.ID, kid, tried, w.slow)
}

// establish verifies the token, and remembers what that came to.
func (w *walk) establish() Verdict {
	revision := w.purges.Current()
	j := w.judge()
	if j.keys == nil {
		return j.pending
	}
	return w.conclude(&j, revision)
}

// judged is what the cryptographic check has found out.
type judged struct {
	keys    *keyring.Snapshot // that it was made with; nil: none was made
	claims  keyset.Claims
	outcome protocol.Outcome
	at      time.Time
	pending Verdict // why none was made
}

// judge verifies the token under the keys there are, and has keys sought when they
// do not suffice.
func (w *walk) judge() judged {
	began, trace := w.now(), w.l.trace
	// Bounded: each round but the last follows a change of the key set.
	for range 4 {
		now := w.now()
		current, usable := w.l.keys(now)
		trace.begin(w.l, current, usable, now)
		if !usable {
			f, wait := w.seek("", current)
			switch {
			case f == keyring.Changed:
				continue
			case current == nil:
				return judged{pending: unknown(protocol.CodeKeysPending, max(time.Second, wait))}
			}
			return judged{pending: unknown(protocol.CodeUnavailable, wait)} // there were keys; the upstream has been gone for too long
		}
		if w.l.rules() == nil {
			return judged{pending: unknown(protocol.CodeKeysPending, time.Second)} // it is not known yet whose tokens these are
		}
		claims, outcome := trace.verify(w.l, current.Set(), now)
		if kid, doubtful := newerKey(w.l, outcome, current, began, now); doubtful {
			f, wait := keyring.Absent, time.Duration(0)
			if kid != "" {
				f, wait = w.seek(kid, current)
			}
			trace.sought(f)
			if f == keyring.Changed {
				continue
			}
			if f == keyring.Pending {
				return judged{pending: unknown(protocol.CodeKeysPending, max(time.Second, wait))}
			}
		}
		return judged{keys: current, claims: claims, outcome: outcome, at: now}
	}
	return judged{pending: unknown(protocol.CodeKeysPending, time.Second)}
}

// unnamedKey, with the token's digest behind it, stands for the key of a token
// that names none: what a fetch proves of one such token it does not prove of
// the next. No key of any set has such an id.
const unnamedKey = "\x00"

// newerKey tells whether another key might change the outcome, and the id to seek
// it under. The id is empty if there is none to be found: the key of that id is
// there and has not signed the token, and the upstream has confirmed it after since,
// which is when the lookup began, or shortly before.
func newerKey(l *Lookup, outcome protocol.Outcome, tried *keyring.Snapshot, since, now time.Time) (kid string, doubtful bool) {
	kid, doubtful = l.rules().Doubt(l.Token, outcome)
	switch {
	case !doubtful:
		return "", false
	case kid == "":
		return unnamedKey + string(l.digest[:]), true
	case outcome.Reason() != protocol.ReasonUnknownKey && l.Project.keys.Confirmed(tried, since, now):
		return "", true
	}
	return kid, true
}

// conclude turns the outcome of the cryptographic check into a verdict and
// remembers it.
func (w *walk) conclude(j *judged, revision uint64) Verdict {
	keys, outcome, now := j.keys, j.outcome, j.at
	switch outcome.Status() {
	case protocol.OK:
		e := newEntry(w.l.Project, &j.claims, revision, now)
		if w.l.trace == nil {
			w.revocations.Note(e.facts(nil))
			w.memory.keepEntry(w.l.digest, e, now)
		}
		return e.accept(sourceOf(keys, SourceUpstream, now), now)
	case protocol.ERR:
		return w.unjudged(outcome.Code())
	case protocol.NO:
	}
	if lifetime := w.lasting(keys, outcome, now); lifetime > 0 && w.l.trace == nil {
		no := rejection{project: w.l.Project, keys: keys.Set(), revision: revision, proof: outcome.Reason()}
		if no.proof == protocol.ReasonExpired {
			no.from = now.Round(0)
		}
		w.rejections.Set(w.l.digest, no, lifetime)
	}
	return rejected(outcome.Reason())
}

// unjudged tells the operator why the cryptographic check could not judge a token.
func (w *walk) unjudged(why protocol.Code) Verdict {
	project := slog.String("project", w.l.Project.name)
	if why == protocol.CodeMisconfigured {
		w.log.LogAttrs(context.Background(), slog.LevelError, "a token names no key, and the key set has more of its algorithm than are tried; see that the issuer writes kid, or publishes fewer",
			program.Every(tooManyKeysInterval, w.l.Project.name), project, slog.Int("tried", keyset.MaxTried))
		return unknown(why, 0)
	}
	w.log.LogAttrs(context.Background(), slog.LevelError, "a token could not be judged by a fault of ours and was answered unavailable; please report this line", project)
	return unknown(why, time.Second)
}

// lasting is how long a rejection is remembered. A key may be published, and a
// time may come, meanwhile: those two are decided afresh. What rests on a key
// being up to date is remembered no longer than the key is taken to be.
func (w *walk) lasting(keys *keyring.Snapshot, outcome protocol.Outcome, now time.Time) time.Duration {
	if proof := outcome.Reason(); proof == protocol.ReasonUnknownKey || proof == protocol.ReasonNotYetValid {
		return 0
	}
	if kid, doubtful := w.l.rules().Doubt(w.l.Token, outcome); doubtful && kid != "" {
		return min(RejectionLifetime, w.l.Project.keys.ConfirmedFor(keys, now))
	}
	return RejectionLifetime
}
