// Package resolvetest helps the tests of packages that use a resolver: it gives
// projects their keys without any further fetch.
package resolvetest

import (
	"context"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/resolve"
)

// testTimeout is how long a fetch may take at most.
const testTimeout = 20 * time.Second

// GiveKeys has the same effect on p as a successful fetch of its keys: another project
// of the same table and surroundings fetches once, and p inherits its keys.
func GiveKeys(t testing.TB, p *resolve.Project, s resolve.Surroundings) {
	t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), testTimeout)
	defer stop()
	inherited := false
	s.KeysChanged = func() {
		if inherited {
			stop()
		}
	}
	donor, err := resolve.NewProject(p.Config(), s)
	if err != nil {
		t.Fatal(err)
	}
	donor.Inherit(p)
	inherited = true
	donor.Keys().Run(ctx)
	donor.Close()
	if keys := donor.State(s.Now()).Keys; keys.Failures > 0 || keys.Fetches != 1 {
		t.Fatalf("no key set: %v", keys.Problem)
	}
	p.Inherit(donor)
}

// StopKeys lets no lookup wait for keys that do not come.
func StopKeys(p *resolve.Project) {
	ctx, stop := context.WithCancel(context.Background())
	stop()
	p.Keys().Run(ctx)
}
