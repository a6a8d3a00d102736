package resolve

import (
	"fmt"
	"log/slog"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/transport"
	"github.com/neonauthd/neonauthd/daemon/upstream"
)

// wayTo is how a project's upstream is reached, and whom it is trusted by: nil by the
// system's authorities. Without those that the project names nothing of the upstream
// could be believed, so that they cannot be read is an error.
func wayTo(p *config.Project, s *Surroundings, log *slog.Logger) (transport.Config, *config.CA, error) {
	t := transport.Config{
		Authorities: s.RootCAs,
		Route:       transport.Route{Proxy: p.UpstreamProxy, Environment: s.Environment, Authorities: s.RootCAs},
		PrivateHTTP: p.InsecureHTTP,
		Dial:        s.Dial,
	}
	if p.CA == "" {
		return t, nil, nil
	}
	ca, err := config.ReadCA(p.CA, s.ConfigDir, s.Now())
	if err != nil {
		return t, nil, fmt.Errorf("project %q: ca: %w", p.Name, err)
	}
	t.Authorities = ca.Pool
	for _, unfit := range ca.Unfit {
		log.Warn("an authority of ca is of no use: what it signed is not trusted; put its successor into the file, and reload", "error", unfit)
	}
	return t, ca, nil
}

// CA is the authorities that the project trusts in place of the system's; nil: the
// system's.
func (p *Project) CA() *config.CA { return p.ca }

// Upstream is the project's client, for who tells how its upstream is reached.
func (p *Project) Upstream() *upstream.Client { return p.upstream }
