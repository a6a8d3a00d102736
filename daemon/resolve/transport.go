package resolve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/daemon/transport"
	"github.com/neonauthd/neonauthd/protocol"
)

// transportOf returns how a project's upstream is reached, and the authorities that are trusted
// in place of the system's; nil: the system's. If they cannot be read, transportOf returns an
// error, because then no answer could be trusted.
func transportOf(p *config.Project, s *Surroundings, log *slog.Logger) (transport.Config, *config.CA, error) {
	proxy, err := p.UpstreamProxy.Read(s.ConfigDir)
	ca, unread := p.Authorities(s.ConfigDir, s.Now())
	if err := errors.Join(err, unread); err != nil {
		return transport.Config{}, nil, fmt.Errorf("project %q: %w", p.Name, err)
	}
	for _, unfit := range ca.Warnings() {
		log.Warn("an authority of ca is of no use: what it signed is not trusted; put its successor into the file, and reload", "error", unfit)
	}
	return transport.Config{
		Authorities: ca.Or(s.RootCAs),
		Route:       transport.Route{Proxy: proxy, Environment: s.Environment, Authorities: s.RootCAs},
		PrivateHTTP: p.InsecureHTTP,
		Dial:        s.Dial,
	}, ca, nil
}

// open verifies a signed answer about a verified token with the project's keys.
func (p *Project) open(ctx context.Context, signed, token []byte, asker fair.Asker) (payload []byte, outcome protocol.Outcome, detail string, wait time.Duration) {
	rules := p.rules()
	outcome, wait = p.keys.Open(ctx, asker.ID, rules, signed, func(set *keyset.Set, now time.Time) (o protocol.Outcome) {
		payload, o, detail = rules.Userinfo(set, signed, token, now)
		return o
	})
	return payload, outcome, detail, wait
}
