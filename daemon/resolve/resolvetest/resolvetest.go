// Package resolvetest has what the tests need of those who ask a resolver: projects
// that have keys without anybody looking for others.
package resolvetest

import (
	"context"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/resolve"
)

// patience is how long a fetch may take.
const patience = 20 * time.Second

// GiveKeys does for p what a successful fetch of its keys does: another project of the
// same table fetches once, in the same surroundings, and is inherited.
func GiveKeys(t testing.TB, p *resolve.Project, s resolve.Surroundings) {
	t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	inherited := false
	s.KeysChanged = func() {
		if inherited {
			stop()
		}
	}
	table := p.Config()
	table.SecretServerKey = "" // which would be tested
	donor, err := resolve.NewProject(table, s)
	if err != nil {
		t.Fatal(err)
	}
	donor.Inherit(p)
	inherited = true
	donor.Run(ctx)
	if keys := donor.State(s.Now()).Keys; keys.Failures > 0 || keys.Fetches != 1 {
		t.Fatalf("no key set: %v", keys.Problem)
	}
	p.Inherit(donor)
}

// StopKeys has no lookup wait for keys that do not come.
func StopKeys(p *resolve.Project) {
	ctx, stop := context.WithCancel(context.Background())
	stop()
	p.Run(ctx)
}
