package resolve

import (
	"sync"
	"sync/atomic"

	"github.com/neonauthd/neonauthd/cache"
)

// MaxPurges bounds the purges of one token or user that are kept apart; beyond it
// everything is purged, which costs verifications and nothing else.
const MaxPurges = 10000

// purges make purges hold. Every verification and fetch takes the revision before
// it begins and stamps its entry with it; a purge raises the revision and notes it
// for what it purges. An entry of an older revision is dead, whatever the cache
// still holds and whatever was in flight. Safe for concurrent use; reading takes no
// lock.
type purges struct {
	revision atomic.Uint64
	all      atomic.Uint64 // the revision of the last purge of everything
	count    atomic.Int64  // of single
	single   sync.Map      // cache.Key of a token, subjectKey of a user -> uint64, the revision of its last purge

	mu sync.Mutex // serialises purges
}

// subjectKey names a user of a project.
type subjectKey struct{ project, subject string }

// current is the revision to stamp an entry with.
func (p *purges) current() uint64 { return p.revision.Load() }

// purgeAll kills everything stamped before now.
func (p *purges) purgeAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.everything()
}

// everything is purgeAll; p.mu is held.
func (p *purges) everything() {
	p.all.Store(p.revision.Add(1))
	p.single.Clear()
	p.count.Store(0)
}

// purge kills what was stamped before now and goes by name, which is a cache.Key
// or a subjectKey.
func (p *purges) purge(name any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.count.Load() >= MaxPurges {
		p.everything()
		return
	}
	if _, again := p.single.Swap(name, p.revision.Add(1)); !again {
		p.count.Add(1)
	}
}

// covers reports whether a purge has killed an entry that is stamped with revision,
// for the token and user named.
func (p *purges) covers(revision uint64, token cache.Key, user subjectKey) bool {
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
