package cache

import (
	"sync/atomic"
	"time"
)

// entry is one stored value. Readers need no lock for the fields of the first block, which never change once the entry
// is in the index; expires is the exception. Cache.mu guards the second block.
type entry[V any] struct {
	key     Key
	value   V
	group   uint64
	cost    int64         // bytes, Overhead included
	expires time.Duration // since Cache.epoch; at exactly this instant it is over. Written with Cache.mu and the shard's lock held, read with either

	next, prev           *entry[V] // in window or kept
	groupNext, groupPrev *entry[V] // ring of its group: groupNext of the newest is the second newest
	groupSize            uint32    // of the whole ring; valid in its newest entry only
	state                atomic.Uint32

	touched atomic.Int64 // when the policy was last told of a hit, in nanoseconds since Cache.epoch; 0: never
}

// touchEvery is the shortest time between two hits of an entry that are reported to the policy. The policy's counters
// end at 15 and are halved now and then, so a few hits are enough for it, and a report costs as much as the rest of a
// hit.
const touchEvery = 50 * time.Millisecond

// popular reports whether a hit at now is to be reported to the policy. It may be true for both of two concurrent hits.
func (e *entry[V]) popular(now time.Duration) bool {
	last := e.touched.Load()
	if last != 0 && now-time.Duration(last) < touchEvery {
		return false
	}
	e.touched.Store(max(1, int64(now)))
	return true
}

// The states of an entry, in the order in which it passes them. Written under Cache.mu; read without it only to learn
// that an entry is gone.
const (
	inWindow uint32 = iota // in the index and in the window
	isKept                 // in the index; it was offered to the policy, which has not dropped it
	isGone                 // not in the index; the policy may still hold it for a moment
)

// list is an intrusive doubly linked list of entries with the sum of their costs. The zero value is empty.
type list[V any] struct {
	front, back *entry[V]
	len         int
	bytes       int64
}

func (l *list[V]) pushBack(e *entry[V]) {
	e.prev, e.next = l.back, nil
	if l.back == nil {
		l.front = e
	} else {
		l.back.next = e
	}
	l.back = e
	l.len++
	l.bytes += e.cost
}

func (l *list[V]) remove(e *entry[V]) {
	if e.prev == nil {
		l.front = e.next
	} else {
		e.prev.next = e.next
	}
	if e.next == nil {
		l.back = e.prev
	} else {
		e.next.prev = e.prev
	}
	e.prev, e.next = nil, nil
	l.len--
	l.bytes -= e.cost
}

// groups finds the newest entry of each group. The entries of a group form a ring, so the oldest is one step away.
type groups[V any] map[uint64]*entry[V]

// add makes e the newest of its group and returns the group's size.
func (g groups[V]) add(e *entry[V]) uint32 {
	newest := g[e.group]
	if newest == nil {
		e.groupNext, e.groupPrev, e.groupSize = e, e, 1
	} else {
		e.groupNext, e.groupPrev = newest, newest.groupPrev
		newest.groupPrev.groupNext = e
		newest.groupPrev = e
		e.groupSize = newest.groupSize + 1
	}
	g[e.group] = e
	return e.groupSize
}

// oldest returns the oldest entry of the group of e.
func (g groups[V]) oldest(e *entry[V]) *entry[V] {
	return g[e.group].groupPrev
}

func (g groups[V]) remove(e *entry[V]) {
	newest := g[e.group]
	switch {
	case newest != e:
		newest.groupSize--
	case e.groupNext == e:
		delete(g, e.group)
	default:
		e.groupNext.groupSize = e.groupSize - 1
		g[e.group] = e.groupNext
	}
	e.groupPrev.groupNext = e.groupNext
	e.groupNext.groupPrev = e.groupPrev
	e.groupNext, e.groupPrev = nil, nil
}
