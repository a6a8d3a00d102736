package resolve

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/daemon/keyring"
	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/daemon/resolve/wording"
	"github.com/neonauthd/neonauthd/internal/program"
	"github.com/neonauthd/neonauthd/protocol"
)

// RejectionLifetime is how long a rejection is remembered.
const RejectionLifetime = 30 * time.Second

// verify calls establish for a verdict, and then checks for revocations, purges and the
// end of the token.
func (r *Resolver) verify(l *Lookup, establish func() (Verdict, error)) Verdict {
	// Twice: a verification that began before a purge may end after it. It must not
	// answer a lookup that came after the purge.
	for range 2 {
		v, err := establish()
		if err != nil {
			return unfinished(err)
		}
		if v.Status() != protocol.OK {
			return v
		}
		now := r.now()
		revoked := v.entry.revoked(r.revocations)
		l.trace.revocation(revoked)
		switch {
		case revoked:
			return rejected(protocol.ReasonRevoked)
		case v.entry.alive(l.Project, now) && !r.purges.Covers(v.entry.revision, l.digest, v.entry.user()):
			return v
		}
	}
	return Busy()
}

// inTurn waits until the gate lets the asker in, and then joins or begins the
// verification of the token. A verification that waits for the upstream leaves the gate.
func (r *Resolver) inTurn(ctx context.Context, l *Lookup) (Verdict, error) {
	leave, err := r.enter(ctx, l.Asker)
	if err != nil {
		return Verdict{}, err
	}
	defer leave()
	v, _, err := r.flights.DoSlow(ctx, l.Project.flight(l.digest), func(ctx context.Context, slow func()) Verdict {
		if known, ok := r.landed(l); ok {
			return known
		}
		w := walk{r, l, ctx, keyring.Search{Who: l.Asker.ID, Slow: slow}}
		return w.establish()
	}, func() bool {
		leave()
		return l.place.forUpstream()
	})
	return v, err
}

// enter waits until the gate lets the asker in. leave gives the place back; only its first call counts.
func (r *Resolver) enter(ctx context.Context, asker fair.Asker) (leave func(), err error) {
	if err := r.verifications.Enter(ctx, asker); err != nil {
		return nil, err
	}
	return sync.OnceFunc(func() { r.verifications.Leave(asker.ID) }), nil
}

// landed returns the verdict of a flight for the same token that has just ended.
func (r *Resolver) landed(l *Lookup) (Verdict, bool) {
	now := r.now()
	if e := r.memory.entry(&l.digest, now); e != nil && r.holds(l, e, now) {
		return r.remembered(l, e, now), true
	}
	return Verdict{}, false
}

// walk is the verification of one token with keys. VERIFY and EXPLAIN both use it.
type walk struct {
	*Resolver
	l      *Lookup
	ctx    context.Context // of the flight
	search keyring.Search  // of the lookup
}

// seek asks the upstream for a key that the set tried does not have, or for any key set
// if kid is empty. For EXPLAIN it asks nobody and returns what is already known.
func (w *walk) seek(kid string, tried *keyring.Snapshot) (keyring.SeekResult, time.Duration) {
	if w.l.trace != nil {
		return w.l.Project.keys.Known(kid, tried), 0
	}
	return w.l.Project.keys.Seek(w.ctx, &w.search, kid, tried)
}

// establish verifies the token and remembers the verdict.
func (w *walk) establish() Verdict {
	revision := w.purges.Current()
	j := w.judge()
	if j.keys == nil {
		return j.pending
	}
	return w.conclude(&j, revision)
}

// judged is the result of the cryptographic check.
type judged struct {
	keys    *keyring.Snapshot // the keys of the check; nil: the check has no outcome
	claims  keyset.Claims
	outcome protocol.Outcome
	at      time.Time
	pins    uint32  // of the project, from before the check
	pending Verdict // why the check has no outcome
}

// judge verifies the token with the current keys. If they do not suffice, it has the
// upstream asked for newer ones.
func (w *walk) judge() judged {
	began, trace := w.now(), w.l.trace
	// The loop is bounded. Each further round follows a change of the key set.
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
			return judged{pending: unknown(protocol.CodeUnavailable, wait)} // the keys are too old, because the upstream does not answer
		}
		if w.l.rules() == nil {
			return judged{pending: unknown(protocol.CodeKeysPending, time.Second)} // the issuer is not known yet
		}
		pins, rival := w.l.Project.pins.Load(), w.l.Project.rival.Load()
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
		outcome = rival.outcome(outcome, func() protocol.Outcome {
			_, other := keyset.Verify(rival.rules(w.l.logout), current.Set(), w.l.Token, now, nil)
			return other
		})
		if outcome.Code() == protocol.CodeKeysPending {
			return judged{pending: unknown(protocol.CodeKeysPending, w.doubt())}
		}
		if outcome.Status() == protocol.ERR {
			return judged{pending: w.unjudged(outcome.Code(), current.Set())}
		}
		return judged{keys: current, claims: claims, outcome: outcome, at: now, pins: pins}
	}
	return judged{pending: unknown(protocol.CodeKeysPending, time.Second)}
}

// doubt has the upstream asked again who issues its tokens, and returns when asking again may
// help. For EXPLAIN it asks nobody, and notes that a lookup would.
func (w *walk) doubt() time.Duration {
	if w.l.trace == nil {
		return w.l.Project.doubtIssuer()
	}
	w.l.trace.note("metadata", keyset.NotReached, "the token names "+w.l.Project.Rival()+" as its issuer. There were no metadata at base_url, which proves nothing, so "+w.l.Project.Issuer()+" is in use, as the metadata there say. A lookup has the metadata fetched again, at most once per cooldown, and the answer is keys-pending until there are some at base_url; if the token is right, write base_url into issuers")
	return 0
}

// newerKey reports whether a newer key might change the outcome, and under which id to
// seek it. The id is empty if there cannot be a newer key: the set has the key of that
// id, it has not signed the token, and the upstream has confirmed the set after since or
// shortly before. since is when the lookup began.
func newerKey(l *Lookup, outcome protocol.Outcome, tried *keyring.Snapshot, since, now time.Time) (kid string, doubtful bool) {
	kid, doubtful = l.rules().Doubt(tried.Set(), l.Token, outcome)
	switch {
	case !doubtful:
		return "", false
	case kid == "":
		return keyring.TokenID("", l.digest), true
	case outcome.Reason() == protocol.ReasonUnknownKey:
		return kid, true
	case l.Project.keys.Confirmed(tried, since, now):
		return "", true
	}
	return keyring.TokenID(kid, l.digest), true
}

// conclude makes a verdict of the outcome of the cryptographic check, and remembers it.
func (w *walk) conclude(j *judged, revision uint64) Verdict {
	keys, outcome, now := j.keys, j.outcome, j.at
	switch outcome.Status() {
	case protocol.OK:
		if !revocable(j.claims.Subject) {
			w.l.trace.note("subject", keyset.Failed, wording.Unrevocable)
			return Verdict{Outcome: w.l.Project.unrevocable()}
		}
		e := newEntry(w.l, &j.claims, revision, now)
		e.pins = j.pins
		if w.l.trace == nil {
			w.revocations.Note(e.facts())
			w.memory.keepEntry(w.l.digest, e, now)
		}
		return e.accept(sourceOf(keys, SourceUpstream, now), now)
	case protocol.ERR: // judge lets none through
		return unknown(outcome.Code(), time.Second)
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

// unjudged returns the verdict of a token for which the cryptographic check has no outcome,
// and logs why.
func (w *walk) unjudged(why protocol.Code, keys *keyset.Set) Verdict {
	project := w.l.Project.name
	cause, text := wording.Unjudged(why, keys, w.l.Token)
	w.log.LogAttrs(context.Background(), slog.LevelError, text, program.Every(unjudgedInterval, project), slog.String("project", project))
	v := unknown(why, 0)
	v.Cause = cause
	if why == protocol.CodeUnavailable {
		v.RetryAfter = time.Second
	}
	return v
}

// lasting returns how long a rejection is remembered; 0: not at all. An unknown key may be
// published soon, and a not-before time passes, so these two are not remembered. If a newer
// key might change the outcome, the rejection is remembered only while the key set counts
// as confirmed.
func (w *walk) lasting(keys *keyring.Snapshot, outcome protocol.Outcome, now time.Time) time.Duration {
	if proof := outcome.Reason(); proof == protocol.ReasonUnknownKey || proof == protocol.ReasonNotYetValid {
		return 0
	}
	if kid, doubtful := w.l.rules().Doubt(keys.Set(), w.l.Token, outcome); doubtful && kid != "" {
		return min(RejectionLifetime, w.l.Project.keys.ConfirmedFor(keys, now))
	}
	return RejectionLifetime
}
