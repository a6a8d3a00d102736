package resolve

import (
	"encoding/hex"
	"sync"
	"sync/atomic"

	"github.com/neonauthd/neonauthd/cache"
	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/daemon/revoke"
	"github.com/neonauthd/neonauthd/daemon/upstream"
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

// PurgeAll forgets everything, and says how many verdicts and profiles that was.
// What was established before it is never served again, also if it was in flight.
func (r *Resolver) PurgeAll() (entries int64) {
	before := r.memory.Stats().Entries
	r.purges.purgeAll()
	r.memory.Purge()
	r.rejections.Purge()
	r.profiles.denials.Purge()
	return max(0, before-r.memory.Stats().Entries)
}

// PurgeToken forgets a token, whatever project it was asked of, or a session
// credential of the projects in each of its spellings. It says how many verdicts and
// profiles are gone at once.
func (r *Resolver) PurgeToken(token []byte, projects []*Project) (entries int64) {
	before, digest := r.memory.Stats().Entries, digestOf(token)
	r.purges.purge(digest)
	r.memory.Delete(digest)
	r.rejections.Delete(digest)
	if s, ok := upstream.ParseSession(token); ok {
		r.purges.purge(sessionMark(s)) // makes every spelling void; this one is dropped at once
		for _, p := range projects {
			r.memory.Delete(sessionKey(p.name, digestOf(s.Canonical())))
		}
	}
	return max(0, before-r.memory.Stats().Entries)
}

// PurgesOf are the marks by which a fleet's hosts tell each other of the purge of a
// credential: of what it is remembered by as a token and, if it can be one, as a
// session credential.
func PurgesOf(credential []byte) []revoke.Mark {
	marks := []revoke.Mark{purgeMark(digestOf(credential))}
	if s, ok := upstream.ParseSession(credential); ok {
		marks = append(marks, purgeMark(sessionMark(s)))
	}
	return marks
}

func purgeMark(name cache.Key) revoke.Mark {
	return revoke.Mark{Kind: revoke.KindPurgeToken, Value: hex.EncodeToString(name[:])}
}

// PurgeNamed forgets the credential of a mark of PurgesOf, which another host has
// told.
func (r *Resolver) PurgeNamed(m revoke.Mark) {
	var name cache.Key
	if n, err := hex.Decode(name[:], []byte(m.Value)); err != nil || n != len(name) {
		return
	}
	r.purges.purge(name)
	r.memory.Delete(name)
	r.rejections.Delete(name)
}

// PurgeSubject forgets a user of a project, and says how many profiles there were.
// Verdicts go by token and cannot be found by user; the purge makes them void.
func (r *Resolver) PurgeSubject(project, subject string) (profiles int64) {
	r.purges.purge(subjectKey{project, subject})
	for _, class := range []keyset.Class{keyset.ClassNormal, keyset.ClassRestricted, keyset.ClassAnonymous} {
		key := userKey(project, class, subject)
		if r.memory.profile(&key, r.now()) != nil {
			profiles++
		}
		r.memory.Delete(key)
		r.profiles.denials.Delete(key)
	}
	return profiles
}
