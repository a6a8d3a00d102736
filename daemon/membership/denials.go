package membership

import (
	"context"
	"sync"

	"github.com/neonauthd/neonauthd/daemon/fleet"
	"github.com/neonauthd/neonauthd/daemon/revoke"
)

// maxDenials is how many denials can wait for the disk. Lookups with further ones wait too.
const maxDenials = 1024

// denials are the users that the upstream has denied, until this is saved and told. A lookup
// that met a denial does not wait for that: while it waited for a disk that hangs, this host
// would go on with the profile that it has. Safe for concurrent use.
type denials struct {
	queue chan revoke.Mark

	mu   sync.Mutex
	over bool // Run has ended: nobody takes from the queue any more
}

// add reports whether Run will save and tell the mark.
func (d *denials) add(mark revoke.Mark) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.over {
		return false
	}
	select {
	case d.queue <- mark:
		return true
	default:
		return false
	}
}

// end lets no further denials be added.
func (d *denials) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.over = true
}

// purgeDenials saves and tells denials until ctx ends, and then those that are left.
func (m *Member) purgeDenials(ctx context.Context) {
	for {
		select {
		case mark := <-m.denials.queue:
			m.purgeDenied(mark)
			continue
		case <-ctx.Done():
		}
		m.denials.end()
		for len(m.denials.queue) > 0 {
			m.purgeDenied(<-m.denials.queue)
		}
		return
	}
}

func (m *Member) purgeDenied(mark revoke.Mark) {
	if err := m.o.List.Purge(mark, fleet.PurgeLife); err != nil {
		m.o.Log.Warn("a purge is in force and would not survive a restart; mend the state directory", "error", err)
	}
	m.Tell(mark)
}
