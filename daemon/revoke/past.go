package revoke

import (
	"iter"
	"sync"
	"sync/atomic"
)

// past holds what a host in a fleet knows and does not enforce: purges, and
// revocations that were taken back. Reading takes no lock, so a lookup does not
// wait for the disk when it asks for a purge. List.mu guards changes.
type past struct {
	marks sync.Map // Mark -> revocation
	n     atomic.Int64
}

// get returns what is known of m; ok is false if this is nothing.
func (p *past) get(m Mark) (v revocation, ok bool) {
	if p.n.Load() == 0 {
		return revocation{}, false
	}
	found, ok := p.marks.Load(m)
	if !ok {
		return revocation{}, false
	}
	return found.(revocation), true
}

// put adds or replaces.
func (p *past) put(m Mark, v revocation) {
	if _, there := p.marks.Swap(m, v); !there {
		p.n.Add(1)
	}
}

func (p *past) drop(m Mark) {
	if _, there := p.marks.LoadAndDelete(m); there {
		p.n.Add(-1)
	}
}

// len returns how many there are.
func (p *past) len() int { return int(p.n.Load()) }

// all yields all of them. The caller may drop them meanwhile.
func (p *past) all() iter.Seq2[Mark, revocation] {
	return func(yield func(Mark, revocation) bool) {
		p.marks.Range(func(m, v any) bool { return yield(m.(Mark), v.(revocation)) })
	}
}
