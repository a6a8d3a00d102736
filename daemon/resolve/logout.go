package resolve

import (
	"context"
	"time"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/protocol"
)

// MaxLogoutsWaiting is how many logout tokens may wait for keys at once. Anybody can make
// tokens that name unknown keys, and the places of those who bring them are few: one that
// names a known key must find a place, since its sender tries once.
const MaxLogoutsWaiting = 4

// Ending is what a logout token says, once it is accepted: that a session has ended,
// or all that a subject has had until then. The zero value says nothing.
type Ending struct {
	// Outcome is that of the token. Only an accepted one ends anything.
	protocol.Outcome
	// RetryAfter is when asking again may help; unknown only, 0 = not known.
	RetryAfter time.Duration
	// Session is the session that has ended. It is empty if the token names none;
	// then Subject is whose sessions all have.
	Session, Subject string
	// Issued is when the issuer said so, by its own clock.
	Issued time.Time

	claims keyset.Claims
}

// TakesLogout reports whether the project takes logout tokens.
func (p *Project) TakesLogout() bool { return len(p.config.LogoutClients()) > 0 }

// MayTakeLogout reports whether a logout token that another project has accepted may be
// for p too: it is for one of p's clients, and p's issuer is the same or not known yet.
// Whether it is good is for Logout to say, by p's own keys.
func (p *Project) MayTakeLogout(accepted *Ending) bool {
	policy := p.logout.Load()
	if policy == nil && p.TakesLogout() {
		anybody := p.config
		anybody.Issuers = []string{accepted.claims.Issuer}
		policy = anybody.LogoutPolicy()
	}
	return policy != nil && policy.Addresses(&accepted.claims)
}

// NamesSessions tells whether every signed token of the project's users names its
// session, and whether any does, as far as that is known of the preset.
func (p *Project) NamesSessions() (every, some bool) {
	naming := p.config.SessionNaming()
	return naming == config.SessionsAlways, naming != config.SessionsNever
}

// Logout judges a logout token of a project that takes them. It goes the way of a
// verification, waits for keys until ctx ends, and neither remembers anything nor
// ends anything.
func (r *Resolver) Logout(ctx context.Context, l *Lookup) Ending {
	switch {
	case !keyset.Gate(l.Token):
		return Ending{Outcome: protocol.Rejected(protocol.ReasonMalformed)}
	case !r.timely(r.now()):
		return ending(unknown(protocol.CodeUnavailable, 0))
	}
	l.kind, l.digest, l.ends = signed, DigestOf(l.Token), true
	if !r.Admit(l) {
		return ending(Busy())
	}
	defer r.Leave(l)
	j, err := r.judgeInTurn(ctx, l)
	switch {
	case err != nil:
		return ending(unfinished(err))
	case j.keys == nil:
		return ending(j.pending)
	case j.outcome.Status() != protocol.OK:
		return Ending{Outcome: j.outcome}
	}
	return Ending{Outcome: j.outcome, Session: j.claims.Session, Subject: j.claims.Subject, Issued: j.claims.IssuedAt, claims: j.claims}
}

func ending(v Verdict) Ending { return Ending{Outcome: v.Outcome, RetryAfter: v.RetryAfter} }

// judgeInTurn has the token verified once the gate lets the asker in. What waits for
// the upstream waits outside, as far as there is room for it.
func (r *Resolver) judgeInTurn(ctx context.Context, l *Lookup) (judged, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if err := r.verifications.Enter(ctx, l.Asker); err != nil {
		return judged{}, err
	}
	inside := true
	leave := func() {
		if inside {
			inside = false
			r.verifications.Leave(l.Asker.ID)
		}
	}
	defer leave()
	waits := false
	defer func() {
		if waits {
			<-r.logouts
		}
	}()
	w := walk{r, l, ctx, func() {
		leave()
		if l.ends && !waits {
			select {
			case r.logouts <- struct{}{}:
				waits = true
			default:
				stop()
			}
		}
		if !l.place.forUpstream() {
			stop()
		}
	}}
	return w.judge(), nil
}
