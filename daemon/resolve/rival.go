package resolve

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/neonauthd/neonauthd/daemon/clock"
	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/daemon/upstream"
	"github.com/neonauthd/neonauthd/internal/pause"
	"github.com/neonauthd/neonauthd/internal/program"
	"github.com/neonauthd/neonauthd/protocol"
)

// The issuer of an upstream of preset neon is its base_url or the origin of base_url, as its
// metadata say. Where the metadata of base_url would be, an upstream whose issuer is the
// origin answers 404. A 404 may also be a fault that passes, and other databases of the host
// may have the origin as their issuer. So base_url as issuer is proved by its metadata, and
// the origin never is: base_url stays its rival. A token that the project's keys have signed
// and that names the rival is not rejected for that. It has the metadata fetched again, and
// is unknown until the metadata of base_url are there.

// rivalInterval is the interval of the log line about tokens that name the rival.
const rivalInterval = 10 * time.Minute

// rival is the project under the rules that hold if base_url is the issuer.
type rival struct {
	issuer                        string
	policy, logout, introspection *keyset.Policy
}

// rivalOf returns the rival of an issuer that the upstream has named; nil if the issuer is
// proved or configured.
func (p *Project) rivalOf(issuer string) *rival {
	if !p.config().FindsIssuer() {
		return nil
	}
	p.upstream.Pin(issuer)
	base := p.upstream.BaseIssuer()
	if issuer == base {
		return nil
	}
	config := *p.config()
	config.Issuers = []string{base}
	return &rival{base, config.Policy(), config.LogoutPolicy(), config.IntrospectionPolicy()}
}

// Rival returns the issuer that the tokens may have in place of Issuer; empty if the issuer
// is proved or configured, or not known yet.
func (p *Project) Rival() string {
	if r := p.rival.Load(); r != nil {
		return r.issuer
	}
	return ""
}

// outcome returns the outcome of a token that was judged by the project's rules. If the token
// does not name the pinned issuer, verdict judges it by the rules of the rival: the outcome
// is a no only if both say no. r may be nil. It must be loaded before the project's rules:
// when the rival is proved, the rules change first.
func (r *rival) outcome(outcome protocol.Outcome, verdict func() protocol.Outcome) protocol.Outcome {
	if r == nil || outcome.Reason() != protocol.ReasonWrongIssuer {
		return outcome
	}
	switch other := verdict(); {
	case other.Status() == protocol.OK:
		return protocol.Unknown(protocol.CodeKeysPending)
	case other.Status() == protocol.NO && other.Reason() != protocol.ReasonWrongIssuer:
		return other
	default:
		return outcome
	}
}

// rules returns the rules for tokens, or for logout tokens.
func (r *rival) rules(logout bool) *keyset.Policy {
	if logout {
		return r.logout
	}
	return r.policy
}

// doubtIssuer has the metadata fetched again, and returns when asking again may help.
func (p *Project) doubtIssuer() time.Duration {
	p.log.LogAttrs(context.Background(), slog.LevelWarn, "tokens that the project's keys have signed name base_url as their issuer, and the metadata name another: they are answered keys-pending until there are metadata at base_url; if the tokens are right, write base_url into issuers",
		slog.String("issuer", p.Issuer()), program.Every(rivalInterval, p.name))
	select {
	case p.doubted <- struct{}{}:
	default:
	}
	wait := time.Second
	if next := p.nextLook.Load(); next != nil {
		wait = max(wait, clock.Left(*next, p.now()))
	}
	return wait
}

// watchIssuer fetches the metadata again when somebody doubts the pinned issuer, until the
// rival is proved or ctx ends. The pauses between the fetches are a cooldown at least, and
// grow.
func (p *Project) watchIssuer(ctx context.Context) {
	cooldown := time.Duration(p.config().JWKSCooldown)
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval, pauses.MaxInterval, pauses.RandomizationFactor = cooldown, max(cooldown, longestRetry), 0
	if next := p.nextLook.Load(); next != nil && !pause.For(ctx, clock.Left(*next, p.now())) { // of before a reload
		return
	}
	for p.rival.Load() != nil {
		select {
		case <-p.doubted:
		case <-ctx.Done():
			return
		}
		wait := max(pauses.NextBackOff(), time.Duration(p.config().JWKSCooldown))
		issuer, err := p.upstream.IssuerNow(ctx)
		if r := p.rival.Load(); err == nil && r != nil && issuer == r.issuer {
			p.learnIssuer(ctx, issuer)
			return
		}
		var e *upstream.Error
		if errors.As(err, &e) {
			wait = max(wait, e.RetryAfter)
		}
		next := p.now().Add(wait)
		p.nextLook.Store(&next)
		if !pause.For(ctx, wait) {
			return
		}
	}
}

// learnIssuer puts in force that the upstream has named its issuer, and saves that. If
// another issuer was pinned, what was accepted with it ends. A proved issuer stays.
func (p *Project) learnIssuer(ctx context.Context, issuer string) {
	p.learning.Lock()
	defer p.learning.Unlock()
	before := p.Issuer()
	if before == issuer || before == p.upstream.BaseIssuer() { // two searches at once: the other one has ended
		return
	}
	p.pin(issuer)
	p.log.Info("the upstream's metadata say who issues its tokens", "issuer", issuer)
	if before != "" {
		p.pins.Add(1)
		if keys := p.keys.Snapshot(); keys != nil && p.ended != nil {
			p.ended(keys.Set().Keys())
		}
	}
	if err := p.issuer.Save(issuer); err != nil {
		p.log.LogAttrs(ctx, slog.LevelWarn, "the issuer could not be saved: after a restart during an outage of the upstream nothing can be verified; mend what the error names", slog.Any("error", err))
	}
}
