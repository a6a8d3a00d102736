package resolve

import (
	"context"
	"hash/maphash"
	"time"

	"github.com/neonauthd/neonauthd/cache"
	"github.com/neonauthd/neonauthd/daemon/clock"
	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/resolve/purge"
)

// Bounds of what is kept.
const (
	// maxEntryLifetime bounds how long a verdict is kept; exp ends it sooner.
	maxEntryLifetime = 24 * time.Hour
	// entryJitter is by how many percent lifetimes are shortened at most, at random, so
	// that tokens that were issued together are not forgotten together.
	entryJitter = 5
	// entryBytes and profileBytes are the sizes of the structures in memory, rounded as
	// the allocator does. A test checks them.
	entryBytes   = 192
	profileBytes = 160
	// tidyInterval is how often expired entries of an idle cache are freed.
	tidyInterval = time.Minute
)

// memory is the cache of verdicts and profiles, with a limit in bytes. Callers have to
// check that what it returns is still valid. It is safe for concurrent use.
type memory struct {
	*cache.Cache[remembered]
	seed maphash.Seed
}

// remembered is a verdict or a profile; the other field is nil. Their keys are digests of
// different things and never equal. If they were, the nil would count as a miss.
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

// entry returns the verdict for a token at now, or nil.
func (m *memory) entry(digest *cache.Key, now time.Time) *entry {
	r, _ := m.PeekAt(digest, now)
	return r.entry
}

// profile returns the profile under key at now, or nil.
func (m *memory) profile(key *cache.Key, now time.Time) *profile {
	r, _ := m.PeekAt(key, now)
	return r.profile
}

// recallEntry is entry for Recall only: it counts a hit or a miss. Later reads for the same
// lookup are not counted.
func (m *memory) recallEntry(digest *cache.Key, now time.Time) *entry {
	r, _ := m.GetAt(digest, now)
	return r.entry
}

// recallProfile is profile for Recall only, as recallEntry is for entry.
func (m *memory) recallProfile(key *cache.Key, now time.Time) *profile {
	r, _ := m.GetAt(key, now)
	return r.profile
}

// keepEntry keeps a verdict until its token expires, or for maxEntryLifetime.
func (m *memory) keepEntry(digest cache.Key, e *entry, now time.Time) {
	m.Set(digest, m.group(e.user()), remembered{entry: e}, e.bytes(), e.reuse(maxEntryLifetime, now))
}

// keepProfile keeps a profile for as long as it may be served stale.
func (m *memory) keepProfile(key cache.Key, p *profile, now time.Time) {
	cost := profileBytes + int64(len(p.body)+len(p.user.ID))
	if p.entry != nil { // of an opaque credential
		cost += p.entry.bytes()
	}
	// Again if a reload has changed the rhythm meanwhile, because retime does not see a profile
	// that comes after it.
	for by := (*config.Project)(nil); by != p.project.config(); {
		by = p.project.config()
		m.Set(key, m.group(p.user), remembered{profile: p}, cost, p.lifetime(by, now))
	}
}

// lifetime returns for how much longer a profile may be served stale, by the rhythm of a
// table.
func (p *profile) lifetime(by *config.Project, now time.Time) time.Duration {
	return time.Duration(by.ProfileFresh+by.ProfileStale) - clock.Elapsed(p.asked, now)
}

// retime keeps the profiles that may be used for projects of list for as long as the
// project's rhythm says now.
func (m *memory) retime(list []*Project, now time.Time) {
	users := map[*pool]*Project{}
	for _, p := range list {
		users[p.pool] = p
	}
	m.Renew(func(r remembered) (time.Duration, bool) {
		if r.profile == nil {
			return 0, false
		}
		by := users[r.profile.project.pool]
		if by == nil {
			return 0, false
		}
		return r.profile.lifetime(by.config(), now), true
	})
}

// bytes returns how much memory the entry takes.
func (e *entry) bytes() int64 {
	return entryBytes + int64(len(e.subject)+len(e.session)+len(e.signed)+len(e.head)+len(e.json))
}

// group returns the group of a user in the cache. Entries of one group share a limit.
func (m *memory) group(user purge.Subject) uint64 { return maphash.Comparable(m.seed, user) }

// tidy frees expired entries regularly, until ctx ends.
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
