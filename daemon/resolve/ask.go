package resolve

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/daemon/resolve/linkage"
	"github.com/neonauthd/neonauthd/daemon/resolve/wording"
	"github.com/neonauthd/neonauthd/daemon/upstream"
	"github.com/neonauthd/neonauthd/internal/program"
	"github.com/neonauthd/neonauthd/protocol"
)

// answer is what the upstream says of a credential.
type answer struct {
	body  []byte
	whose *keyset.Claims // the claims of an opaque credential, which has none of its own; nil otherwise
	ends  time.Time      // when a token with claims ends; zero: at the token's own exp
}

// ask asks the upstream about the credential, in the way of the project. e has the
// verified claims; it is nil for an opaque credential.
func (p *Project) ask(ctx context.Context, l *Lookup, e *entry, priority upstream.Priority) (answer, error) {
	if l.introspects(e) {
		return p.introspect(ctx, l, e, priority)
	}
	profile, err := p.upstream.Profile(ctx, l.Token, e.user().ID, l.Asker, priority)
	if err != nil {
		return answer{}, err
	}
	a := answer{body: profile.Body}
	if e == nil {
		a.whose = p.claimsOf(&profile)
	}
	return a, nil
}

// mayAsk returns the error with which ask would end now without a request, as far as that
// is known without one; nil if ask may send its request.
func (p *Project) mayAsk(l *Lookup, e *entry) error {
	if l.introspects(e) {
		return p.upstream.MayIntrospect()
	}
	return p.upstream.MayAskProfile(l.Token, e.user().ID)
}

// claimsOf returns the claims of an opaque credential, from the upstream's answer.
//
// If a session began later than this host's clock plus the leeway, the claims have no
// iat. Then a revocation of the user covers the session, as it covers a token without
// iat.
func (p *Project) claimsOf(profile *upstream.Profile) *keyset.Claims {
	c := &keyset.Claims{Subject: profile.Subject, Session: profile.Session, Class: keyset.ClassNormal, IssuedAt: profile.Started, Expires: profile.Expires}
	if c.IssuedAt.After(p.now().Add(time.Duration(p.config().Leeway))) {
		c.IssuedAt = time.Time{}
	}
	if profile.Team {
		c.Class = keyset.ClassTeam
	}
	return c
}

// revocable reports whether a revocation can name the user of a token. If none can, the token
// is not accepted: somebody must be able to shut out its user.
func revocable(subject string) bool { return len(subject) <= protocol.MaxID }

// unrevocable returns the outcome of a token whose user no revocation can name, and logs why.
func (p *Project) unrevocable() protocol.Outcome {
	p.log.LogAttrs(context.Background(), slog.LevelError, "a good token was answered misconfigured: "+wording.Unrevocable, program.Every(unjudgedInterval, p.name))
	return protocol.Unknown(protocol.CodeMisconfigured)
}

// introspect asks the upstream about an access token by introspection. If e is not nil,
// the token has been verified, and the answer can only deny it.
func (p *Project) introspect(ctx context.Context, l *Lookup, e *entry, priority upstream.Priority) (a answer, err error) {
	if err := p.findIssuer(ctx); err != nil {
		return answer{}, err
	}
	_, err = p.upstream.Introspect(ctx, l.Token, func(text []byte, now time.Time) (outcome protocol.Outcome, detail string) {
		a, outcome, detail = p.read(text, e, now)
		return outcome, detail
	}, l.Asker, priority)
	p.noteLink(l, e, err)
	return a, err
}

// read judges, at now, an answer that calls a token active, and compares the answer with
// the token's claims e. If the answer is not usable, the outcome is unknown, and detail
// says why.
func (p *Project) read(text []byte, e *entry, now time.Time) (a answer, outcome protocol.Outcome, detail string) {
	rival, policy := p.rival.Load(), p.introspection.Load()
	said, err := policy.ReadIntrospection(text)
	if err != nil {
		return answer{}, protocol.Outcome{}, "a member of the answer cannot be read: " + err.Error()
	}
	a.body = text
	if e == nil {
		claims, outcome := said.Token(now)
		if !revocable(claims.Subject) {
			return a, p.unrevocable(), wording.Unrevocable
		}
		a.whose = &claims
		outcome = rival.outcome(outcome, func() protocol.Outcome {
			said, err := rival.introspection.ReadIntrospection(text)
			if err != nil {
				return protocol.Outcome{}
			}
			_, other := said.Token(now)
			return other
		})
		if outcome.Code() == protocol.CodeKeysPending {
			p.doubtIssuer()
			return a, outcome, "the answer names base_url as the issuer, and there were no metadata at base_url: they are fetched again"
		}
		return a, outcome, "the answer says neither sub nor client_id"
	}
	own, err := policy.ReadIntrospection(e.json)
	if err != nil {
		return answer{}, protocol.Outcome{}, "a claim of the token cannot be compared: " + err.Error()
	}
	outcome, other := said.Confirms(own, now)
	a.ends = said.Ends()
	return a, outcome, "the answer is about another token than asked for, by " + other + "; is there a cache in between?"
}

const (
	freshToken    = 10 * time.Minute // a verified token up to this age is normally still active
	doubtInterval = 10 * time.Minute // the interval of the log line that doubts that the client is linked

	// unjudgedInterval is the interval of each log line about tokens that cannot be judged.
	unjudgedInterval = 10 * time.Minute
)

// noteLink learns from the upstream's answers about tokens whether this host's client is
// linked to their resource. If that is doubtful, noteLink logs it for the operator.
func (p *Project) noteLink(l *Lookup, e *entry, err error) {
	var failure *upstream.Error
	change := linkage.None
	switch {
	case err == nil:
		change = p.link.Active()
	case errors.As(err, &failure) && failure.Denial == protocol.ReasonRejectedUpstream:
		fresh := e != nil && e.issued != 0 && p.now().Unix()-e.issued <= int64(freshToken/time.Second)
		change = p.link.Inactive(l.digest, fresh)
	}
	client, once := slog.String("client_id", p.config().Introspection.ClientID), program.Every(doubtInterval, p.name)
	switch change {
	case linkage.Doubted:
		p.log.LogAttrs(context.Background(), slog.LevelError, "the upstream calls every token inactive that was verified here soon after it was issued: is this client linked to the resource? link it upstream, else PROFILE refuses everybody", client, once)
	case linkage.Settled:
		p.log.LogAttrs(context.Background(), slog.LevelInfo, "the upstream calls tokens active again: this client is linked to the resource", client, once)
	case linkage.None:
	}
}
