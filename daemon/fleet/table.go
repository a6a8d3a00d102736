package fleet

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"sync"
	"time"
)

// digestLen is the length of a digest of marks, in bytes.
const digestLen = 16

// digest stands for a set of marks, in whatever order they came.
type digest [digestLen]byte

func (d digest) String() string { return hex.EncodeToString(d[:]) }

// flip adds a mark to the set, or takes it out. The hash is not a secret: digests
// leave the host only inside what is sealed.
func (d *digest) flip(m Mark) {
	text := list(m.Kind, m.Project, m.Value)
	for _, n := range []uint64{uint64(m.Revoked), uint64(m.At), uint64(m.Until)} {
		text = binary.BigEndian.AppendUint64(text, n)
	}
	sum := sha256.Sum256(text)
	for i := range d {
		d[i] ^= sum[i]
	}
}

// held is what is known of one name.
type held struct {
	own     Mark      // all that this host knows: the join of everything
	engine  Mark      // what the engine holds of the revocation, as far as heard; its Undone, with until, is what it holds of taking back
	until   int64     // the Until beside engine.Undone
	counted bool      // engine is in the digest
	since   time.Time // since when the engine lacks something of own; zero: it lacks nothing
}

// undone is what the engine holds of taking back.
func (h *held) undone() Mark { return Mark{Undone: h.engine.Undone, Until: h.until} }

// lacks reports which parts of own the engine does not have.
func (h *held) lacks() (revoked, undone bool) {
	return compareRevoked(h.own, h.engine) > 0, h.own.Undone > 0 && compareUndone(h.own, h.undone()) > 0
}

// table is what this host knows, and what of it the engine has. The host's own
// journal holds the same marks; a table serves to compare. Safe for concurrent
// use.
type table struct {
	now func() int64 // Unix seconds, by the engine's clock as far as it is known

	mu      sync.Mutex
	marks   map[Name]*held
	pending map[Name]*held
	digest  digest // of what the engine has in force
}

func newTable(now func() int64) *table {
	return &table{now: now, marks: map[Name]*held{}, pending: map[Name]*held{}}
}

func (t *table) held(n Name) *held {
	h := t.marks[n]
	if h == nil {
		h = &held{own: Mark{Name: n}, engine: Mark{Name: n}}
		t.marks[n] = h
	}
	return h
}

// learn joins marks with what the host knows. It returns the marks that told it
// something new, joined, and what it knew of them before.
func (t *table) learn(marks []Mark, at time.Time) (news, before []Mark) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, m := range marks {
		h := t.held(m.Name)
		joined := h.own.Join(m)
		if joined == h.own {
			continue
		}
		news, before = append(news, joined), append(before, h.own)
		h.own = joined
		t.settle(h, at)
	}
	return news, before
}

// unlearn puts back what was known before, because the journal could not take
// in the news: when the host hears them again, they are news again.
func (t *table) unlearn(before []Mark, at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, m := range slices.Backward(before) {
		h := t.held(m.Name)
		h.own = m
		t.settle(h, at)
	}
}

// heard notes that the engine holds the mark: in its log, where all of it counts,
// or as one of the two values that are kept of each.
func (t *table) heard(m Mark, revoked, undone bool, at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	h := t.held(m.Name)
	t.count(h, false)
	if revoked && compareRevoked(m, h.engine) > 0 {
		h.engine.Revoked, h.engine.At, h.engine.Until = m.Revoked, m.At, m.Until
	}
	if undone && compareUndone(m, h.undone()) > 0 {
		h.engine.Undone, h.until = m.Undone, m.Until
	}
	t.count(h, true)
	t.settle(h, at)
}

// count puts the engine's mark into the digest, if it is in force, or takes it
// out.
func (t *table) count(h *held, in bool) {
	in = in && h.engine.InForce(t.now())
	if in != h.counted {
		t.digest.flip(h.engine)
		h.counted = in
	}
}

// settle notes whether the engine lacks something.
func (t *table) settle(h *held, at time.Time) {
	revoked, undone := h.lacks()
	switch {
	case !revoked && !undone:
		h.since = time.Time{}
		delete(t.pending, h.own.Name)
	case h.since.IsZero():
		h.since = at
		t.pending[h.own.Name] = h
	}
}

// forget begins anew with what the engine holds, as if nothing of it had been
// heard.
func (t *table) forget(at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.digest = digest{}
	for _, h := range t.marks {
		h.counted, h.since = false, time.Time{}
		h.engine, h.until = Mark{Name: h.own.Name}, 0
		t.settle(h, at)
	}
}

// lacking returns what the engine has lacked for at least so long. A mark that
// is returned now is returned again after that time, unless the log has it by
// then.
func (t *table) lacking(age time.Duration, now time.Time) (all []Mark) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, h := range t.pending {
		if now.Sub(h.since) >= age {
			h.since = now
			all = append(all, h.own)
		}
	}
	return all
}

// sweep takes marks that are no longer in force out of the digest, and forgets
// marks that can be forgotten (see Mark.Over).
func (t *table) sweep() {
	now := t.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	for n, h := range t.marks {
		if h.counted && !h.engine.InForce(now) {
			t.count(h, false)
		}
		if h.own.Over(now) {
			delete(t.marks, n)
			delete(t.pending, n)
		}
	}
}

// get returns what the host knows of a name.
func (t *table) get(n Name) Mark {
	t.mu.Lock()
	defer t.mu.Unlock()
	if h := t.marks[n]; h != nil {
		return h.own
	}
	return Mark{Name: n}
}

// sum is the digest of what the engine has in force, as heard so far.
func (t *table) sum() digest {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.digest
}

// size is how many marks are known, and how many of them the engine lacks.
func (t *table) size() (all, lacking int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.marks), len(t.pending)
}
