package resolve

import (
	"context"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/daemon/upstream"
)

// rules are those that the project's tokens are judged by; nil while nobody knows
// whose tokens they are.
func (p *Project) rules() *keyset.Policy { return p.policy.Load() }

// pin makes these the issuers of the project's tokens, if there are any.
func (p *Project) pin(issuers ...string) {
	if len(issuers) > 0 {
		config := p.config
		config.Issuers = issuers
		p.introspection.Store(config.IntrospectionPolicy())
		p.logout.Store(config.LogoutPolicy())
		p.policy.Store(config.Policy())
	}
}

// Issuer is the issuer of the project's tokens that the upstream's metadata name; empty
// while that is not known or not asked for.
func (p *Project) Issuer() string {
	rules := p.rules()
	if rules == nil || !p.config.FindsIssuer() {
		return ""
	}
	return rules.Admitted[0].Issuers[0]
}

// fetchKeys fetches the key set, and before it, where the configuration does not say
// whose tokens these are, what the upstream calls itself. What was found once stays
// until the configuration changes.
func (p *Project) fetchKeys(ctx context.Context, known upstream.Validators) (upstream.KeySetResponse, error) {
	if err := p.findIssuer(ctx); err != nil {
		return upstream.KeySetResponse{}, err
	}
	return p.upstream.Keyset(ctx, known)
}

// findIssuer asks the upstream what it calls itself, unless that is known.
func (p *Project) findIssuer(ctx context.Context) error {
	if p.rules() != nil {
		return nil
	}
	issuer, err := p.upstream.Issuer(ctx)
	if err != nil {
		return err
	}
	p.pin(issuer)
	p.log.Info("the upstream's metadata say who issues its tokens", "issuer", issuer)
	if err := p.issuer.Save(issuer); err != nil {
		p.log.LogAttrs(ctx, slog.LevelWarn, "the issuer could not be saved: after a restart during an outage of the upstream nothing can be verified; mend what the error names", slog.Any("error", err))
	}
	return nil
}

// seekIssuer goes on until the issuer is known: with a key set at hand nothing is
// fetched that would find it.
func (p *Project) seekIssuer(ctx context.Context) {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = selfTestPause, selfTestLongest
	for p.findIssuer(ctx) != nil {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause.NextBackOff()):
		}
	}
}

// inheritIssuer takes over what a predecessor has found, if the key set's origin admits that.
func (p *Project) inheritIssuer(before *Project) {
	if issuer := before.Issuer(); p.rules() == nil && issuer != "" && p.origin.Admits(&before.origin) {
		p.pin(issuer)
	}
}
