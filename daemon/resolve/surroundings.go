package resolve

import (
	"context"
	"crypto/x509"
	"log/slog"
	"net"
	"net/url"
	"time"

	"github.com/neonauthd/neonauthd/daemon/clock"
	"github.com/neonauthd/neonauthd/daemon/statedir"
)

// Surroundings are what projects need of their daemon. All fields but StateDir,
// RootCAs, Dial, Wall, Environment, KeysChanged and Ended are required.
type Surroundings struct {
	// StateDir is where key sets are saved across restarts; nil keeps them in memory
	// only.
	StateDir *statedir.Dir
	// ConfigDir is the folder that paths with "./" start from.
	ConfigDir string
	// RootCAs are the authorities that are trusted for upstreams' certificates; nil
	// means the system's.
	RootCAs *x509.CertPool
	// Dial connects to upstreams; nil means over the network.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Environment returns the proxy for a URL if the configuration names none; nil: no
	// proxy. See [transport.Environment].
	Environment func(*url.URL) (*url.URL, error)
	// UserAgent names this program to upstreams.
	UserAgent string
	// Now returns the time with both clock readings; see package clock.
	Now func() time.Time
	// Wall learns the time that upstreams' answers tell.
	Wall *clock.Wall
	// Log gets a line for each fault that an operator may have to mend.
	Log *slog.Logger
	// KeysChanged is called when a key set of the project has come into force or has
	// been confirmed; nil: nothing is called, as in the daemon. It must return soon.
	KeysChanged func()
	// Ended is as in Config. It is called for keys that were withdrawn.
	Ended func(...Ground)
}
