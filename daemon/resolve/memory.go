package resolve

import (
	"context"
	"hash/maphash"
	"time"

	"github.com/neonauthd/neonauthd/cache"
	"github.com/neonauthd/neonauthd/daemon/clock"
	"github.com/neonauthd/neonauthd/daemon/resolve/purge"
)

// Bounds of what is kept.
const (
	// maxEntryLifetime bounds how long a verdict is kept; exp ends it sooner.
	maxEntryLifetime = 24 * time.Hour
	// entryJitter shortens lifetimes by up to so many percent, so that tokens
	// issued together are not forgotten together.
	entryJitter = 5
	// entryBytes and profileBytes are the sizes of the structures, with the
	// allocator's rounding; a test holds them to it.
	entryBytes   = 176
	profileBytes = 128
	// tidyInterval is how often what has expired in an idle cache is freed.
	tidyInterval = time.Minute
)

// memory is the byte-bounded cache of verdicts and profiles. What it returns is
// a hint: entries and profiles prove their own validity. Safe for concurrent
// use.
type memory struct {
	*cache.Cache[remembered]
	seed maphash.Seed
}

// remembered is a verdict or a profile. Their keys are digests of different
// things and do not meet; if they did, the nil would be a miss.
type remembered struct {
	entry   *entry
	profile *profile
}

func newMemory(maxBytes int64, now func() time.Time) (*memory, error) {
	c, err := cache.New[remembered](cache.Config{MaxBytes: maxBytes, Jitter: entryJitter, Now: now})
	if err != nil {
		return nil, err
	}
	return &memory{Cache: c, seed: maphash.MakeSeed()}, nil
}

// entry returns the verdict kept for a token at now, or nil.
func (m *memory) entry(digest *cache.Key, now time.Time) *entry {
	r, _ := m.PeekAt(digest, now)
	return r.entry
}

// profile returns the profile kept under key at now, or nil.
func (m *memory) profile(key *cache.Key, now time.Time) *profile {
	r, _ := m.PeekAt(key, now)
	return r.profile
}

// recallEntry is entry for Recall alone: it counts as a hit or a miss. Whatever looks
// again for the same lookup counts no more.
func (m *memory) recallEntry(digest *cache.Key, now time.Time) *entry {
	r, _ := m.GetAt(digest, now)
	return r.entry
}

// recallProfile is the same for profile.
func (m *memory) recallProfile(key *cache.Key, now time.Time) *profile {
	r, _ := m.GetAt(key, now)
	return r.profile
}

// keepEntry keeps a verdict until its token expires.
func (m *memory) keepEntry(digest cache.Key, e *entry, now time.Time) {
	cost := entryBytes + int64(len(e.subject)+len(e.session)+len(e.head)+len(e.json))
	m.Set(digest, m.group(e.user()), remembered{entry: e}, cost, e.reuse(maxEntryLifetime, now))
}

// keepProfile keeps a profile for as long as it may be served stale.
func (m *memory) keepProfile(key cache.Key, p *profile, now time.Time) {
	config := &p.project.config
	cost := profileBytes + int64(len(p.body)+len(p.user.ID))
	lifetime := time.Duration(config.ProfileFresh+config.ProfileStale) - clock.Elapsed(p.asked, now)
	m.Set(key, m.group(p.user), remembered{profile: p}, cost, lifetime)
}

// group is the share of the cache that one user's tokens compete for.
func (m *memory) group(user purge.Subject) uint64 { return maphash.Comparable(m.seed, user) }

// tidy frees what has expired, now and then, until ctx ends.
func (m *memory) tidy(ctx context.Context) {
	ticker := time.NewTicker(tidyInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			m.Sweep()
		}
	}
}
