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

// Surroundings are what projects need of their daemon. All of it is required but
// StateDir, RootCAs, Dial, Environment, KeysChanged and Ended.
type Surroundings struct {
	// StateDir is where key sets outlive the process; nil keeps them in memory only.
	StateDir *statedir.Dir
	// ConfigDir is the folder against which "./" paths are read.
	ConfigDir string
	// RootCAs are the authorities that upstreams' certificates may come from; nil means
	// the system's.
	RootCAs *x509.CertPool
	// Dial connects to upstreams; nil means over the network.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Environment says through which proxy a URL is asked where the configuration names
	// none; nil: none. See [transport.Environment].
	Environment func(*url.URL) (*url.URL, error)
	// UserAgent names this program to upstreams.
	UserAgent string
	// Now is the clock, with both readings; see package clock.
	Now func() time.Time
	// Wall is told what upstreams say of the time.
	Wall *clock.Wall
	// Log hears of what an operator may have to mend.
	Log *slog.Logger
	// KeysChanged is told that a key set of the project has come into force or was
	// confirmed; nil ignores it. It must return soon.
	KeysChanged func()
	// Ended is as in Config; it is told of keys that were withdrawn.
	Ended func(...Ground)
}
