package resolve

import (
	"context"
	"time"

	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/daemon/upstream"
	"github.com/neonauthd/neonauthd/internal/pause"
)

// The first and the longest pause between questions to an upstream that got no answer.
const (
	firstRetry   = 5 * time.Second
	longestRetry = time.Minute
)

// rules returns the rules for the project's tokens; nil while their issuer is not known.
func (p *Project) rules() *keyset.Policy { return p.policy.Load() }

// pin sets the issuers of the project's tokens. Without issuers it does nothing.
func (p *Project) pin(issuers ...string) {
	if len(issuers) == 0 {
		return
	}
	rival := p.rivalOf(issuers[0])
	if rival != nil {
		p.rival.Store(rival)
	}
	config := *p.config()
	config.Issuers = issuers
	p.introspection.Store(config.IntrospectionPolicy())
	p.logout.Store(config.LogoutPolicy())
	p.policy.Store(config.Policy())
	// Last: whoever sees no rival must see the rules of the proved issuer.
	p.rival.Store(rival)
}

// Issuer returns the issuer that the upstream's metadata name; empty while it is not known,
// and if the project does not look for it there.
func (p *Project) Issuer() string {
	rules := p.rules()
	if rules == nil || !p.config().FindsIssuer() {
		return ""
	}
	return rules.Admitted[0].Issuers[0]
}

// fetchKeys fetches the key set. If the configuration does not name the issuer of the tokens,
// fetchKeys first asks the upstream for its issuer. An issuer that was found stays until the
// configuration changes, or its rival is proved. If latest is true, fetchKeys asks the caches
// on the way not to answer.
func (p *Project) fetchKeys(ctx context.Context, known upstream.Validators, latest bool) (upstream.KeySetResponse, error) {
	if err := p.findIssuer(ctx); err != nil {
		return upstream.KeySetResponse{}, err
	}
	if latest {
		return p.upstream.LatestKeyset(ctx, known)
	}
	return p.upstream.Keyset(ctx, known)
}

// findIssuer asks the upstream for its issuer, unless the issuer is known.
func (p *Project) findIssuer(ctx context.Context) error {
	if p.rules() != nil {
		return nil
	}
	issuer, err := p.upstream.Issuer(ctx)
	if err != nil {
		return err
	}
	p.learnIssuer(ctx, issuer)
	return nil
}

// seekIssuer repeats findIssuer until the issuer is known. If the project has a key set
// already, no fetch of keys would find the issuer soon. Then it watches whether tokens name
// the rival of the issuer.
func (p *Project) seekIssuer(ctx context.Context) {
	pause.Retry(ctx, firstRetry, longestRetry, func() bool { return p.findIssuer(ctx) == nil })
	p.watchIssuer(ctx)
}

// inheritIssuer takes over the issuer that a predecessor has found, if the key set's origin
// allows that.
func (p *Project) inheritIssuer(before *Project) {
	if issuer := before.Issuer(); p.rules() == nil && issuer != "" && p.origin.Admits(&before.origin) {
		p.pin(issuer)
	}
}
