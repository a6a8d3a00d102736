package resolve

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/transport"
)

// readCA reads the authorities that a project names; nil if it names none. Without them
// nothing of the upstream could be believed, so that they cannot be read is an error.
func readCA(p *config.Project, s *Surroundings, log *slog.Logger) (*config.CA, error) {
	if p.CA == "" {
		return nil, nil
	}
	ca, err := config.ReadCA(p.CA, s.ConfigDir, s.Now())
	if err != nil {
		return nil, fmt.Errorf("ca: %w", err)
	}
	for _, unfit := range ca.Unfit {
		log.Warn("an authority of ca is of no use: what it signed is not trusted; put its successor into the file, and reload", "error", unfit)
	}
	return ca, nil
}

// way is how a project's upstream is reached.
func way(p *config.Project, s *Surroundings, ca *config.CA) transport.Config {
	t := transport.Config{
		Authorities: s.RootCAs,
		Route:       transport.Route{Proxy: p.UpstreamProxy, Environment: s.Environment, Authorities: s.RootCAs},
		PrivateHTTP: p.InsecureHTTP,
		Dial:        s.Dial,
	}
	if ca != nil {
		t.Authorities = ca.Pool
	}
	return t
}

// trusts reports whether the authorities that table names are those that the project
// trusts.
func (p *Project) trusts(table *config.Project, configDir string) bool {
	if table.CA == "" || p.ca == nil {
		return table.CA == "" && p.ca == nil
	}
	ca, err := config.ReadCA(table.CA, configDir, time.Time{})
	return err == nil && ca.Pool.Equal(p.ca.Pool)
}

// CA is the authorities that the project trusts in place of the system's; nil: the
// system's.
func (p *Project) CA() *config.CA { return p.ca }

// Proxy tells through which proxy the upstream is asked, without user and password, and
// who says so; both are "" where it is asked directly.
func (p *Project) Proxy() (proxy, says string) { return p.upstream.Proxy() }

// PlainHTTP reports whether the upstream is asked over plain http in a network.
func (p *Project) PlainHTTP() bool {
	_, elsewhere := p.upstream.PlainHTTP()
	return elsewhere
}
