package fair

import (
	"sync"
	"unsafe"
)

// Bodies are the bodies of replies that wait to be sent. Each body is kept once, however many replies have it. It
// counts once for all callers together, and once for each caller that waits for it. A body that is not sent yet keeps
// its memory whatever the cache does, so Bodies need a limit of their own. They are safe for concurrent use. Make them
// with NewBodies.
type Bodies struct {
	shares Shares // of bytes

	mu     sync.Mutex
	taken  int // bytes of all bodies
	bodies map[bodyKey]*body
	owners map[ID]*owner
}

// bodyKey identifies a body: by the address of the original, which no other body can have while it is kept, and by the
// form in which it is sent.
type bodyKey struct {
	first *byte
	form  any
}

// body is one body that at least one reply waits for.
type body struct {
	key   bodyKey
	size  int // how many bytes it counts for
	held  int // how many replies have it; guarded by Bodies.mu
	once  sync.Once
	bytes []byte // set by once
}

// owner is what one caller's replies wait for.
type owner struct {
	taken int
	held  map[*body]int // how many replies have each body
}

// NewBodies returns empty Bodies. shares divides their bytes.
func NewBodies(shares Shares) *Bodies {
	return &Bodies{shares: shares, bodies: map[bodyKey]*body{}, owners: map[ID]*owner{}}
}

// Held is one reply's hold on a body. The zero value holds nothing.
type Held struct {
	bodies *Bodies
	who    ID
	body   *body
}

// Hold keeps original, which must never change, for one reply to who, until Release. If convert is not nil, the reply
// has the result of convert, which must not be longer than original. It is made once for all replies of the same form.
// form is any comparable value; it is nil if convert is nil.
//
// Hold returns false if the caller, or all callers together, have too much to be sent already. Then nothing is kept.
func (b *Bodies) Hold(who ID, original []byte, form any, convert func([]byte) []byte) (Held, bool) {
	kept, ok := b.keep(who, bodyKey{unsafe.SliceData(original), form}, original, convert != nil)
	if !ok {
		return Held{}, false
	}
	kept.once.Do(func() { // not under the lock, because it may take a while
		if kept.bytes = original; convert != nil {
			kept.bytes = convert(original)
		}
	})
	return Held{b, who, kept}, true
}

// keep counts one more reply for the body under key, and counts the body's bytes if they are not counted yet.
func (b *Bodies) keep(who ID, key bodyKey, original []byte, converted bool) (*body, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	of, kept := b.owners[who], b.bodies[key]
	if of == nil {
		of = &owner{held: map[*body]int{}}
	}
	size := len(original)
	if converted { // the original and the result are both in memory
		size *= 2
	}
	switch {
	case kept != nil && of.held[kept] > 0: // the bytes count for this caller and for all already
	case kept != nil && of.taken+size > b.shares.Each, // the bytes count for all already
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

// Bytes returns the body in the form to be sent; nil for the zero value.
func (h Held) Bytes() []byte {
	if h.body == nil {
		return nil
	}
	return h.body.bytes
}

// Release gives the hold back. Call it once. For the zero value it does nothing.
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
