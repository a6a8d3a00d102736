package cache

import (
	"encoding/binary"
	"sync"
	"time"

	"github.com/neonauthd/neonauthd/daemon/clock"
)

// recentWays is the number of slots that a key may be in.
const recentWays = 8

// Recent remembers values for a short time in a table of fixed size: a new value takes the place of the value whose
// lifetime ends first among the few slots it may use. It starts no goroutine, never grows and never waits long, so a
// flood of junk can only displace other values. Values are shared between callers and must not be changed. All methods
// may be called by any number of goroutines. Use NewRecent; the zero value is not usable.
type Recent[V any] struct {
	now     func() time.Time
	buckets []recentBucket[V]
	mask    uint64
}

type recentBucket[V any] struct {
	mu    sync.Mutex
	slots [recentWays]recentSlot[V]
}

type recentSlot[V any] struct {
	key     Key
	expires time.Time // zero: empty
	value   V
}

// NewRecent returns a table for at least capacity entries, rounded up to the next power of two (at least eight).
// A nil now means time.Now. A lifetime ends when either of the clock's readings says so, so that a value from before a
// sleep of the host is not found after the sleep (see daemon/clock).
func NewRecent[V any](capacity int, now func() time.Time) *Recent[V] {
	if now == nil {
		now = time.Now
	}
	buckets := ceilPower(int64(max((capacity+recentWays-1)/recentWays, 1)))
	return &Recent[V]{
		now:     now,
		buckets: make([]recentBucket[V], buckets),
		mask:    uint64(buckets - 1),
	}
}

// Get returns the value of k if it is still remembered. All 32 bytes of the key are compared. It allocates nothing.
func (r *Recent[V]) Get(k *Key) (V, bool) { return r.GetAt(k, r.now()) }

// GetAt is Get for a caller that has read the clock at that instant.
func (r *Recent[V]) GetAt(k *Key, now time.Time) (V, bool) {
	b := r.bucket(k)
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.find(k); s != nil && !clock.Over(s.expires, now) {
		return s.value, true
	}
	var none V
	return none, false
}

// Set remembers v under k for lifetime, in place of an older value. With a lifetime of zero or less it forgets the older
// value and does not remember v.
func (r *Recent[V]) Set(k Key, v V, lifetime time.Duration) {
	if lifetime <= 0 {
		r.Delete(k)
		return
	}
	expires := r.now().Add(lifetime)
	b := r.bucket(&k)
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.find(&k)
	if s == nil {
		s = b.first()
	}
	*s = recentSlot[V]{key: k, expires: expires, value: v}
}

// Replace is Set that pushes out no value of another key. It returns the value that k had if that was still remembered,
// and false as stored if there is no room for v. lifetime is positive.
func (r *Recent[V]) Replace(k Key, v V, lifetime time.Duration) (before V, had, stored bool) {
	now := r.now()
	b := r.bucket(&k)
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.find(&k)
	if s == nil {
		if s = b.first(); !s.expires.IsZero() && !clock.Over(s.expires, now) {
			return before, false, false
		}
	} else if !clock.Over(s.expires, now) {
		before, had = s.value, true
	}
	*s = recentSlot[V]{key: k, expires: now.Add(lifetime), value: v}
	return before, had, true
}

// Delete forgets k: when it has returned no Get finds a value that was Set before.
func (r *Recent[V]) Delete(k Key) {
	b := r.bucket(&k)
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.find(&k); s != nil {
		*s = recentSlot[V]{}
	}
}

// Purge forgets everything.
func (r *Recent[V]) Purge() {
	for i := range r.buckets {
		b := &r.buckets[i]
		b.mu.Lock()
		b.slots = [recentWays]recentSlot[V]{}
		b.mu.Unlock()
	}
}

func (r *Recent[V]) bucket(k *Key) *recentBucket[V] {
	return &r.buckets[binary.LittleEndian.Uint64(k[:8])&r.mask]
}

// find returns the slot in use for k, or nil.
func (b *recentBucket[V]) find(k *Key) *recentSlot[V] {
	for i := range b.slots {
		if s := &b.slots[i]; s.key == *k && !s.expires.IsZero() {
			return s
		}
	}
	return nil
}

// first returns the slot whose lifetime ends first; empty ones before all.
func (b *recentBucket[V]) first() *recentSlot[V] {
	first := &b.slots[0]
	for i := range b.slots {
		if s := &b.slots[i]; s.expires.Before(first.expires) {
			first = s
		}
	}
	return first
}
