package client

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/neonauthd/neonauthd/protocol"
)

const (
	// bytesPerAnswer is the size of one place of the memory. An answer takes
	// one place or, if it is larger, several.
	bytesPerAnswer = 4096

	// maxEvents is how many event lines of the watch are remembered. They are
	// needed for answers that the daemon decided before an event and that
	// arrive after it.
	maxEvents = 256

	// renewAfter is the age of the last SEEN at which a lookup asks for the
	// next one: four times in a lease.
	renewAfter = protocol.MaxLease * time.Millisecond / 4
)

// instant is one reading of both clocks.
type instant struct {
	mono time.Duration // since some moment; nobody can set this clock
	wall int64         // nanoseconds since 1970
}

// since returns the time from then to now, by the clock on which more time has
// passed; 0 if another goroutine has read then after now.
func (now instant) since(then instant) time.Duration {
	return max(now.mono-then.mono, time.Duration(now.wall-then.wall), 0)
}

// clockFrom returns a function that reads the clocks of the host; mono counts
// from begin.
func clockFrom(begin time.Time) func() instant {
	return func() instant {
		now := time.Now()
		return instant{now.Sub(begin), now.UnixNano()}
	}
}

// key is the SHA-256 of a question about a token. It leaves out what may differ
// between two callers who get the same answer. The token itself is not kept.
type key [sha256.Size]byte

// keyOf returns the key of a question. Spaces separate its words: the token of
// a kept answer has none, and neither has the name of its project, so that no
// other question has the same key.
func keyOf(q *question) key {
	var room [1024]byte // on the stack; most tokens fit
	words := append(room[:0], q.verb...)
	if q.wishes.fallback() {
		words = append(words, '+')
	}
	words = append(append(words, ' '), q.wishes.project()...)
	return sha256.Sum256(append(append(words, ' '), q.token...))
}

// entry is a kept answer. Only refresh changes.
type entry struct {
	answer  Accepted
	handles []protocol.Handle
	sent    instant
	refresh atomic.Int64 // by the monotonic clock: a use after it starts a background lookup
}

// places returns how many places of the memory the entry takes.
func (e *entry) places() int {
	const overhead = 512
	return 1 + (overhead+len(e.answer.JSON)+len(e.answer.payload)+len(e.answer.Subject)+len(e.answer.Project)+8*len(e.handles))/bytesPerAnswer
}

// endedBy reports whether the event has ended the answer.
func (e *entry) endedBy(past event) bool {
	return past.handles == nil || slices.ContainsFunc(e.handles, func(h protocol.Handle) bool { return slices.Contains(past.handles, h) })
}

// serves reports whether the entry answers a question at that instant. The
// daemon rounds the age down, so serves adds a second where maxAge must hold
// for certain.
func (e *entry) serves(now instant, maxAge time.Duration) bool {
	kept := now.since(e.sent)
	return kept < e.answer.TTL && now.wall < e.answer.Expires.UnixNano() &&
		(maxAge < 0 || maxAge > 0 && e.answer.Age+time.Second+kept <= maxAge)
}

// at returns a copy of the answer, with age and TTL as they are at that
// instant.
func (e *entry) at(now instant) Accepted {
	a, kept := e.answer, now.since(e.sent)
	a.JSON = bytes.Clone(a.JSON) // the caller may change it
	a.Age = (a.Age + kept).Truncate(time.Second)
	a.TTL = (a.TTL - kept).Truncate(time.Second)
	a.Source = SourceCache
	return a
}

// memory keeps accepted answers while a watch reports which of them have ended.
// The rules are in protocol.md, "Keeping answers". One lock guards all of it,
// so that nothing can end between the check of an answer and its keeping.
//
// There are two generations. When the young generation is full, it becomes the
// old one and the old one is dropped. An entry of the old generation that is
// used moves up into the young one. So an entry that is not used for a whole
// generation is dropped.
type memory struct {
	most int          // places of a generation
	used atomic.Bool  // there was a lookup since the watch looked last
	hits atomic.Int64 // lookups answered from memory since the last SEEN
	up   atomic.Bool  // the daemon has granted a watch; changed only under mu

	mu         sync.RWMutex
	young, old map[key]*entry
	taken      int // places of the young generation

	run    protocol.Run
	rev    int64         // the last revision that the watch has reported; the watch, which alone changes it, reads it without mu
	events []event       // the latest last; the first one stands for all before it
	owed   bool          // the last SEEN or WATCH is not answered yet
	asked  instant       // when the last SEEN or WATCH was sent
	leased instant       // when the SEEN or WATCH was sent that has begun or extended the lease
	lease  time.Duration // how long the lease lasts from then on
}

// event is a line of the watch that said what to forget.
type event struct {
	rev     int64
	handles []protocol.Handle // nil: everything
}

// recall returns the entry that answers the question, nil if there is none.
// renew says that the next SEEN is due.
func (m *memory) recall(k *key, now instant, maxAge time.Duration) (e *entry, renew bool) {
	if !m.used.Load() { // a write would cost the other callers more than a read
		m.used.Store(true)
	}
	m.mu.RLock()
	e, young := m.young[*k]
	if !young {
		e = m.old[*k]
	}
	if e != nil && (now.since(m.leased) >= m.lease || !e.serves(now, maxAge)) {
		e = nil
	}
	renew = m.up.Load() && !m.owed && now.since(m.asked) >= renewAfter
	m.mu.RUnlock()
	if e != nil {
		m.hits.Add(1)
		if !young {
			m.moveUp(*k, e)
		}
	}
	return e, renew
}

// moveUp puts an entry of the old generation into the young one, unless it has
// been forgotten meanwhile.
func (m *memory) moveUp(k key, e *entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.old[k] == e {
		m.putLocked(k, e)
	}
}

// keep keeps an answer, unless something that the answer depends on may have
// ended since the daemon decided it.
func (m *memory) keep(k key, e *entry, rev protocol.Revision) {
	m.mu.Lock()
	defer m.mu.Unlock()
	ended := func(past event) bool { return past.rev > rev.N && e.endedBy(past) }
	if m.up.Load() && rev.Run == m.run && !slices.ContainsFunc(m.events, ended) {
		m.putLocked(k, e)
	}
}

// putLocked puts the entry into the young generation, and drops the entry that
// it replaces.
func (m *memory) putLocked(k key, e *entry) {
	m.dropLocked(k)
	places := e.places()
	if places > m.most {
		return
	}
	if m.young == nil || m.taken+places > m.most {
		m.old, m.young, m.taken = m.young, map[key]*entry{}, 0
	}
	m.young[k] = e
	m.taken += places
}

// drop forgets the answer to one question.
func (m *memory) drop(k key) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dropLocked(k)
}

func (m *memory) dropLocked(k key) {
	if e := m.young[k]; e != nil {
		m.taken -= e.places()
	}
	delete(m.young, k)
	delete(m.old, k)
}

// forget drops the entries that the event has ended. From then on, keep refuses
// such answers if they were decided before. forget reports whether the revision
// is higher than the last one, as it must be.
func (m *memory) forget(now event) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if now.rev <= m.rev {
		return false
	}
	m.rev = now.rev
	for _, generation := range []map[key]*entry{m.young, m.old} {
		for k, e := range generation {
			if e.endedBy(now) {
				m.dropLocked(k)
			}
		}
	}
	m.events = append(m.events, now)
	if len(m.events) > 1+maxEvents {
		m.events = m.events[1:]
		m.events[0].handles = nil
	}
	return true
}

// ask notes that a WATCH or a SEEN is about to be sent. It reports false while
// the last one is not answered.
func (m *memory) ask(now instant) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.owed {
		return false
	}
	m.owed, m.asked = true, now
	return true
}

// grant begins or extends the lease. It reports whether the line is in order: a
// WATCH or SEEN was waiting for its answer, and the revision is the last one
// that was reported.
func (m *memory) grant(rev protocol.Revision, lease time.Duration) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.up.Load() {
		m.run, m.rev, m.events = rev.Run, rev.N, []event{{rev: rev.N}}
		m.up.Store(true)
	}
	if !m.owed || rev.N != m.rev {
		return false
	}
	m.owed, m.leased, m.lease = false, m.asked, lease
	return true
}

// end forgets everything, and nothing is kept until another watch begins.
func (m *memory) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.up.Store(false)
	m.young, m.old, m.taken = nil, nil, 0
	m.owed = false
}
