package daemon

import (
	"sync"
	"sync/atomic"

	"github.com/neonauthd/neonauthd/cache"
)

// maxFloors bounds the floors kept apart; beyond it everything is purged, which
// costs verifications and nothing else.
const maxFloors = 10000

// floors make purges hold. Every verification and fetch takes the revision
// before it begins and stamps its entry with it; a purge raises the revision
// and makes it the floor of what it purges. An entry below its floor is dead,
// whatever the cache still holds and whatever was in flight. Safe for
// concurrent use; reading takes no lock.
type floors struct {
	revision atomic.Uint64
	all      atomic.Uint64
	count    atomic.Int64
	single   sync.Map // cache.Key of a token, subjectKey of a user -> uint64

	mu sync.Mutex // serialises raising
}

// subjectKey names a user of a project.
type subjectKey struct{ project, subject string }

// current is the revision to stamp an entry with.
func (f *floors) current() uint64 { return f.revision.Load() }

// raiseAll kills everything stamped before now.
func (f *floors) raiseAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all.Store(f.revision.Add(1))
	f.single.Clear()
	f.count.Store(0)
}

// raise kills what was stamped before now and goes by name, which is a
// cache.Key or a subjectKey.
func (f *floors) raise(name any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.count.Load() >= maxFloors {
		f.all.Store(f.revision.Add(1))
		f.single.Clear()
		f.count.Store(0)
		return
	}
	if _, again := f.single.Swap(name, f.revision.Add(1)); !again {
		f.count.Add(1)
	}
}

// above reports whether an entry stamped with revision, for the token and user
// named, has survived every purge.
func (f *floors) above(revision uint64, token cache.Key, user subjectKey) bool {
	if f.count.Load() != 0 {
		for _, name := range [2]any{token, user} {
			if floor, ok := f.single.Load(name); ok && revision < floor.(uint64) {
				return false
			}
		}
	}
	// Last: single floors are dropped only after they have been made part of all.
	return revision >= f.all.Load()
}
