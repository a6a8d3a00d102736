package standintest

import (
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/clock/clocktest"
	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/standin"
)

// Clock is a clock that the test sets, and that counts its readings by Read.
type Clock struct {
	*clocktest.Clock
	// Reads is how often Read was called.
	Reads atomic.Int64
}

// Read is the clock's instant.
func (c *Clock) Read() time.Time {
	c.Reads.Add(1)
	return c.Now()
}

// Offline is a stand-in without a network, with a clock that the test sets, and
// the configuration of three projects that ask it: "stack", "neon" and "oidc".
type Offline struct {
	*standin.Standin
	Clock  *Clock
	Dial   Dialer
	Config config.Config
}

// New makes an Offline, which ends with the test. Its configuration has a
// folder of its own, and a small cache; change may change it, or be nil.
func New(t testing.TB, change func(*config.Config)) *Offline {
	t.Helper()
	o := &Offline{Clock: &Clock{Clock: clocktest.New()}}
	o.Standin = standin.New(standin.Options{Now: o.Clock.Right, BaseURL: "http://127.0.0.1:9", TokenLifetime: time.Hour})
	o.Dial = Serve(t, o.Standin)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "server-key"), []byte(o.ServerKey()), 0o600); err != nil {
		t.Fatal(err)
	}
	text := o.ConfigBlock(standin.Stack, "./server-key") + o.ConfigBlock(standin.Neon, "") + o.ConfigBlock(standin.OIDC, "")
	var err error
	if o.Config, err = config.Parse([]byte(text)); err != nil {
		t.Fatal(err)
	}
	o.Config.Dir = dir
	o.Config.StateDir = filepath.Join(dir, "state")
	o.Config.Cache.MaxBytes = config.MinCacheBytes
	if change != nil {
		change(&o.Config)
	}
	return o
}
