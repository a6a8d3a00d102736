// Package purge makes purges hold, whatever a cache still has and whatever is in flight.
package purge

import (
	"sync"
	"sync/atomic"

	"github.com/neonauthd/neonauthd/cache"
)

// MaxKept bounds the purges of one token or user that are kept apart; beyond it
// everything is purged, which costs verifications and nothing else.
const MaxKept = 10000

// List is the purges there were. Every verification and fetch takes the revision before
// it begins and stamps its entry with it; a purge raises the revision and notes it
// for what it purges. An entry of an older revision is dead, whatever the cache
// still holds and whatever was in flight. Safe for concurrent use; reading takes no
// lock.
type List struct {
	revision atomic.Uint64
	all      atomic.Uint64 // the revision of the last purge of everything
	count    atomic.Int64  // of single
	single   sync.Map      // cache.Key of a token, Subject of a user -> uint64, the revision of its last purge

	mu sync.Mutex // serialises purges
}

// Subject names a user of a project. The zero value is nobody.
type Subject struct{ Project, ID string }

// Current is the revision to stamp an entry with.
func (p *List) Current() uint64 { return p.revision.Load() }

// All kills everything stamped before now.
func (p *List) All() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.everything()
}

// everything is All; p.mu is held.
func (p *List) everything() {
	p.all.Store(p.revision.Add(1))
	p.single.Clear()
	p.count.Store(0)
}

// Purge kills what was stamped before now and goes by name, which is a cache.Key
// or a Subject.
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

// Covers reports whether a purge has killed an entry that is stamped with revision,
// for the token and user named.
func (p *List) Covers(revision uint64, token cache.Key, user Subject) bool {
	if p.count.Load() != 0 {
		for _, name := range [2]any{token, user} {
			if purged, ok := p.single.Load(name); ok && revision < purged.(uint64) {
				return true
			}
		}
	}
	// Last: single purges are dropped only after they have been made part of all.
	return revision < p.all.Load()
}
