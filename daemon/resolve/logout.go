package resolve

import (
	"context"
	"time"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/keyring"
	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/daemon/resolve/wording"
	"github.com/neonauthd/neonauthd/protocol"
)

// MaxLogoutsWaiting is how many logout tokens may wait for keys at once. Anybody can make
// tokens that name unknown keys, and the callers that bring logout tokens have few
// places. A logout token that names a known key must still find a place, because its
// sender tries only once.
const MaxLogoutsWaiting = 4

// Ending is what an accepted logout token says: that one session has ended, or that all
// sessions of a subject until then have ended. The zero value says nothing.
type Ending struct {
	// Outcome is the token's outcome. Only an accepted token ends anything.
	protocol.Outcome
	// RetryAfter is when asking again may help; unknown only, 0 = not known.
	RetryAfter time.Duration
	// Cause is what is behind the code; unknown only.
	Cause wording.Cause
	// Session is the session that has ended. It is empty if the token names no session;
	// then all sessions of Subject have ended.
	Session, Subject string
	// Issued is when the issuer made the token, by the issuer's clock.
	Issued time.Time

	claims keyset.Claims
}

// TakesLogout reports whether the project takes logout tokens.
func (p *Project) TakesLogout() bool { return len(p.config().LogoutClients()) > 0 }

// MayTakeLogout reports whether a logout token that another project has accepted may be
// for p too: it is for one of p's clients, and p's issuer is the same, or may be, or is not known yet.
// Only Logout says, with p's own keys, whether the token is good.
func (p *Project) MayTakeLogout(accepted *Ending) bool {
	rival, policy := p.rival.Load(), p.logout.Load()
	if rival != nil && rival.logout != nil && rival.logout.Addresses(&accepted.claims) {
		return true
	}
	if policy == nil && p.TakesLogout() {
		anybody := *p.config()
		anybody.Issuers = []string{accepted.claims.Issuer}
		policy = anybody.LogoutPolicy()
	}
	return policy != nil && policy.Addresses(&accepted.claims)
}

// NamesSessions reports whether every signed token of the project's users names its
// session, and whether any does, as far as this is known of the preset.
func (p *Project) NamesSessions() (every, some bool) {
	naming := p.config().SessionNaming()
	return naming == config.SessionsAlways, naming != config.SessionsNever
}

// Logout judges a logout token of a project that takes them. It takes the path of a
// verification, and waits for keys until ctx ends. It remembers nothing and ends nothing.
func (r *Resolver) Logout(ctx context.Context, l *Lookup) Ending {
	switch {
	case !keyset.Gate(l.Token):
		return Ending{Outcome: protocol.Rejected(protocol.ReasonMalformed)}
	case r.ClockUnset():
		return ending(untimely())
	}
	l.kind, l.digest, l.logout = signed, DigestOf(l.Token), true
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

func ending(v Verdict) Ending {
	return Ending{Outcome: v.Outcome, RetryAfter: v.RetryAfter, Cause: v.Cause}
}

// judgeInTurn verifies the token after the gate has let the asker in. A verification that
// waits for the upstream leaves the gate, and stops if there is no place to wait.
func (r *Resolver) judgeInTurn(ctx context.Context, l *Lookup) (judged, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	leave, err := r.enter(ctx, l.Asker)
	if err != nil {
		return judged{}, err
	}
	defer leave()
	waits := false
	defer func() {
		if waits {
			<-r.logouts
		}
	}()
	w := walk{r, l, ctx, keyring.Search{Who: l.Asker.ID, Slow: func() {
		leave()
		if !waits {
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
	}}}
	return w.judge(), nil
}
