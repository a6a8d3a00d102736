package client

import (
	"crypto/sha256"
	"encoding/json"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/neonauthd/neonauthd/protocol"
)

const (
	// bytesPerAnswer is the place that a kept answer takes; a larger one takes
	// several.
	bytesPerAnswer = 4096

	// maxEvents is how many lines of the watch are remembered, for answers
	// that were decided before them and come after them.
	maxEvents = 256

	// renewAfter is the age of the last SEEN at which a lookup asks for the
	// next one: four of them in a lease.
	renewAfter = protocol.MaxLease * time.Millisecond / 4
)

// instant is one reading of both clocks.
type instant struct {
	mono time.Duration // since some moment; it is never set
	wall int64         // nanoseconds since 1970
}

// since is the time from then to now, by the clock that says more.
func (now instant) since(then instant) time.Duration {
	return max(now.mono-then.mono, time.Duration(now.wall-then.wall))
}

// clockFrom returns the clocks of the host; the monotonic one begins with begin.
func clockFrom(begin time.Time) func() instant {
	return func() instant {
		now := time.Now()
		return instant{now.Sub(begin), now.UnixNano()}
	}
}

// key is a question about a token, without what may differ between two callers
// who get the same answer.
type key struct {
	digest   [sha256.Size]byte // of the token, which is not kept
	project  string
	verb     protocol.Verb
	fallback bool
}

func keyOf(q *question) key {
	var room [1024]byte // most tokens fit, and so need no copy on the heap
	digest := sha256.Sum256(append(room[:0], q.token...))
	return key{digest, q.wishes.project, q.verb, q.wishes.fallback}
}

// entry is a kept answer. It does not change, but for refresh.
type entry struct {
	answer  Accepted
	handles []protocol.Handle
	sent    instant
	refresh atomic.Int64 // from when on, by the monotonic clock, a use asks for another
}

// places is how much of the memory the entry takes.
func (e *entry) places() int {
	const overhead = 512
	return 1 + (overhead+len(e.answer.JSON)+len(e.answer.payload)+len(e.answer.Subject)+len(e.answer.Project)+8*len(e.handles))/bytesPerAnswer
}

// depends reports whether the answer depends on one of these things.
func (e *entry) depends(on []protocol.Handle) bool {
	return slices.ContainsFunc(e.handles, func(h protocol.Handle) bool { return slices.Contains(on, h) })
}

// serves reports whether the entry answers a question at that instant. The age
// is rounded down, so that a second is added where maxAge must hold for certain.
func (e *entry) serves(now instant, maxAge time.Duration) bool {
	kept := now.since(e.sent)
	return kept < e.answer.TTL && now.wall < e.answer.Expires.UnixNano() &&
		(maxAge < 0 || maxAge > 0 && e.answer.Age+time.Second+kept <= maxAge)
}

// at returns the answer as it stands at that instant, a copy.
func (e *entry) at(now instant) Accepted {
	a, kept := e.answer, now.since(e.sent)
	a.Age = (a.Age + kept).Truncate(time.Second)
	a.TTL = (a.TTL - kept).Truncate(time.Second)
	a.Source = SourceCache
	a.JSON = make(json.RawMessage, len(e.answer.JSON)) // the receiver's own
	copy(a.JSON, e.answer.JSON)
	return a
}

// memory keeps accepted answers while a watch tells what has ended. The rules
// are those of protocol.md, "Keeping answers". Checking and keeping, moving up
// and forgetting happen under one lock.
//
// There are two generations: when the young one is full it becomes the old one,
// and what is used moves up. So what was not used for a generation is gone.
type memory struct {
	most         int          // places of a generation
	hits, misses atomic.Int64 // lookups answered here since the last SEEN, and elsewhere
	up           atomic.Bool  // there is a watch; it changes under mu

	mu         sync.RWMutex
	young, old map[key]*entry
	taken      int // places of the young generation

	run    protocol.Run
	rev    int64         // the last revision that the watch has told
	floor  int64         // all events after it are remembered
	events []event       // the latest last
	owed   bool          // a SEEN or WATCH is not answered yet
	asked  time.Duration // when the last one was sent
	until  time.Duration // end of the lease
}

// event is a line of the watch that named something.
type event struct {
	rev     int64
	handles []protocol.Handle
}

// recall returns what answers the question, nil when nothing does, and whether
// it is time for another SEEN.
func (m *memory) recall(k *key, now instant, maxAge time.Duration) (e *entry, renew bool) {
	m.mu.RLock()
	e, young := m.young[*k]
	if !young {
		e = m.old[*k]
	}
	if e != nil && (now.mono >= m.until || !e.serves(now, maxAge)) {
		e = nil
	}
	renew = m.up.Load() && !m.owed && now.mono-m.asked >= renewAfter
	m.mu.RUnlock()
	if e == nil {
		m.misses.Add(1)
		return nil, renew
	}
	m.hits.Add(1)
	if !young {
		m.moveUp(*k, e)
	}
	return e, renew
}

// moveUp puts an entry that was old into the young generation, unless it has
// been forgotten meanwhile.
func (m *memory) moveUp(k key, e *entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.old[k] == e {
		m.putLocked(k, e)
	}
}

// keep keeps an answer, unless something that it depends on may have ended since
// it was decided.
func (m *memory) keep(k key, e *entry, rev protocol.Revision) {
	m.mu.Lock()
	defer m.mu.Unlock()
	ended := func(past event) bool { return past.rev > rev.N && e.depends(past.handles) }
	if m.up.Load() && rev.Run == m.run && rev.N >= m.floor && !slices.ContainsFunc(m.events, ended) {
		m.putLocked(k, e)
	}
}

// putLocked puts the entry into the young generation, in place of another one.
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

// forget forgets what depends on one of these things, everything where all is
// said, and refuses from then on what was decided before. It reports whether the
// revision rises.
func (m *memory) forget(rev int64, handles []protocol.Handle, all bool) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if rev <= m.rev {
		return false
	}
	m.rev = rev
	if all {
		m.young, m.old, m.taken = nil, nil, 0
		m.floor, m.events = rev, nil
		return true
	}
	for _, generation := range []map[key]*entry{m.young, m.old} {
		for k, e := range generation {
			if e.depends(handles) {
				m.dropLocked(k)
			}
		}
	}
	m.events = append(m.events, event{rev, handles})
	if len(m.events) > maxEvents {
		m.floor, m.events = m.events[0].rev, m.events[1:]
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
	m.owed, m.asked = true, now.mono
	return true
}

// grant makes the lease begin or go on. It reports whether the revision is the
// one to be told, and somebody has asked.
func (m *memory) grant(rev protocol.Revision, lease time.Duration) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.up.Load() {
		m.run, m.rev, m.floor, m.events = rev.Run, rev.N, rev.N, nil
		m.up.Store(true)
	}
	if !m.owed || rev.N != m.rev {
		return false
	}
	m.owed, m.until = false, m.asked+lease
	return true
}

// end forgets everything, until another watch begins.
func (m *memory) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.up.Store(false)
	m.young, m.old, m.taken = nil, nil, 0
	m.owed = false
}
