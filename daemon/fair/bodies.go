package fair

import (
	"sync"
	"unsafe"
)

// Bodies are the bodies of replies that wait to be sent. Each is kept once, however many replies have it, and counts
// once for all callers and once for each caller that waits for it. A body that is not sent yet keeps its memory whatever
// the cache does, so what is here has to be bounded apart. Safe for concurrent use; use NewBodies.
type Bodies struct {
	shares Shares // of bytes

	mu     sync.Mutex
	taken  int // bytes of bodies
	bodies map[bodyKey]*body
	owners map[ID]*owner
}

// bodyKey tells bodies apart: by where the original is in memory, which nobody else can have as long as it is kept, and
// by the form in which it is sent.
type bodyKey struct {
	first *byte
	form  any
}

// body is one body that somebody waits for.
type body struct {
	key   bodyKey
	size  int // what it counts for
	held  int // replies that have it; guarded by Bodies.mu
	once  sync.Once
	bytes []byte // set by once
}

// owner is what one caller waits for.
type owner struct {
	taken int
	held  map[*body]int // replies that have it
}

// NewBodies returns an empty Bodies that is divided, in bytes, by shares.
func NewBodies(shares Shares) *Bodies {
	return &Bodies{shares: shares, bodies: map[bodyKey]*body{}, owners: map[ID]*owner{}}
}

// Held is one reply's hold on a body. The zero value holds nothing.
type Held struct {
	bodies *Bodies
	who    ID
	body   *body
}

// Hold keeps original, which must never change, for one reply to who, until Release. With a convert other than nil the
// reply has what convert makes of it, which is made once for all replies of that form and may be no longer than
// original. form is any comparable value; nil with a convert of nil.
//
// It reports false when the caller or all callers together have too much to be sent already; nothing is kept then.
func (b *Bodies) Hold(who ID, original []byte, form any, convert func([]byte) []byte) (Held, bool) {
	kept, ok := b.keep(who, bodyKey{unsafe.SliceData(original), form}, original, convert != nil)
	if !ok {
		return Held{}, false
	}
	kept.once.Do(func() { // not under the lock: it may take a while
		if kept.bytes = original; convert != nil {
			kept.bytes = convert(original)
		}
	})
	return Held{b, who, kept}, true
}

// keep counts one more reply for the body under key, and the body's bytes where they are not counted yet.
func (b *Bodies) keep(who ID, key bodyKey, original []byte, converted bool) (*body, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	of, kept := b.owners[who], b.bodies[key]
	if of == nil {
		of = &owner{held: map[*body]int{}}
	}
	size := len(original)
	if converted { // both are in memory
		size *= 2
	}
	switch {
	case kept != nil && of.held[kept] > 0: // counted for both
	case kept != nil && of.taken+size > b.shares.Each, // counted for all
		kept == nil && !b.shares.Admit(of.taken, b.taken, size):
		return nil, false
	default:
		of.taken += size
	}
	if kept == nil {
		kept = &body{key: key, size: size}
		b.bodies[key] = kept
		b.taken += size
	}
	b.owners[who] = of
	of.held[kept]++
	kept.held++
	return kept, true
}

// Bytes returns the body as it is to be sent; nil of the zero value.
func (h Held) Bytes() []byte {
	if h.body == nil {
		return nil
	}
	return h.body.bytes
}

// Release gives the hold back. It must be called once; of the zero value it does nothing.
func (h Held) Release() {
	b := h.bodies
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	of := b.owners[h.who]
	if of.held[h.body]--; of.held[h.body] == 0 {
		delete(of.held, h.body)
		if of.taken -= h.body.size; len(of.held) == 0 {
			delete(b.owners, h.who)
		}
	}
	if h.body.held--; h.body.held == 0 {
		delete(b.bodies, h.body.key)
		b.taken -= h.body.size
	}
}

// Taken returns the bytes of all bodies that are held.
func (b *Bodies) Taken() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.taken
}
