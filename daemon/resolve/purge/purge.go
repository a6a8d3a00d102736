// Package purge remembers purges, so that they hold for everything that a cache still
// has and for everything in flight.
package purge

import (
	"sync"
	"sync/atomic"

	"github.com/neonauthd/neonauthd/cache"
)

// MaxKept is how many purges of single tokens and users are kept at most. Beyond this
// limit everything is purged, which only costs new verifications.
const MaxKept = 10000

// List is the list of purges. Every verification and fetch takes the revision before it
// begins, and stamps its entry with it. A purge raises the revision, and notes the new
// revision for what it purges. An entry with an older revision is dead, even if the
// cache still has it or it was in flight. A List is safe for concurrent use; reading
// takes no lock.
type List struct {
	revision atomic.Uint64
	all      atomic.Uint64 // the revision of the last purge of everything
	count    atomic.Int64  // the number of entries of single
	single   sync.Map      // cache.Key of a token or Subject of a user -> uint64, the revision of its last purge

	mu sync.Mutex // serialises purges
}

// Subject names a user of a project. The zero value is nobody.
type Subject struct{ Project, ID string }

// Current returns the revision to stamp an entry with.
func (p *List) Current() uint64 { return p.revision.Load() }

// All purges everything that was stamped before now.
func (p *List) All() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.everything()
}

// everything does what All does; p.mu is held.
func (p *List) everything() {
	p.all.Store(p.revision.Add(1))
	p.single.Clear()
	p.count.Store(0)
}

// Purge purges what was stamped before now under name, which is a cache.Key or a
// Subject.
func (p *List) Purge(name any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.count.Load() >= MaxKept {
		p.everything()
		return
	}
	if _, again := p.single.Swap(name, p.revision.Add(1)); !again {
		p.count.Add(1)
	}
}

// Covers reports whether a purge covers an entry that is stamped with revision, for that
// token and that user.
func (p *List) Covers(revision uint64, token cache.Key, user Subject) bool {
	if p.count.Load() != 0 {
		for _, name := range [2]any{token, user} {
			if purged, ok := p.single.Load(name); ok && revision < purged.(uint64) {
				return true
			}
		}
	}
	// This check is the last: single purges are dropped only after they have become part
	// of all.
	return revision < p.all.Load()
}
