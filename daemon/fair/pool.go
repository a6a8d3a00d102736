package fair

import "sync"

// Pool divides equal things that are given back one by one. It is safe for concurrent use. Make it with NewPool.
type Pool struct {
	shares Shares

	mu    sync.Mutex
	taken int
	own   map[ID]int    // how many each caller has
	parts map[Asker]int // how many of own are for one of the caller's own clients
}

// NewPool returns a Pool. shares divides it.
func NewPool(shares Shares) *Pool {
	return &Pool{shares: shares, own: map[ID]int{}, parts: map[Asker]int{}}
}

// Take gives the caller one more, which the caller has to give back. It returns false if the caller gets none.
func (p *Pool) Take(who ID) bool { return p.TakeFor(Asker{ID: who}) }

// Give gives back one thing that Take gave to who.
func (p *Pool) Give(who ID) { p.GiveFor(Asker{ID: who}) }

// TakeFor is Take for a caller that asks for several clients of its own: one of them may have an eighth of what
// the caller may have.
func (p *Pool) TakeFor(asker Asker) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	own := p.own[asker.ID]
	if !p.shares.Admit(own, p.taken, 1) || asker.For != "" && p.parts[asker] >= max(1, p.shares.Each/little) {
		return false
	}
	p.own[asker.ID] = own + 1
	if asker.For != "" {
		p.parts[asker]++
	}
	p.taken++
	return true
}

// GiveFor gives back one thing that TakeFor gave to the asker.
func (p *Pool) GiveFor(asker Asker) {
	p.mu.Lock()
	defer p.mu.Unlock()
	drop(p.own, asker.ID)
	if asker.For != "" {
		drop(p.parts, asker)
	}
	p.taken--
}

// Taken returns how many are taken.
func (p *Pool) Taken() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.taken
}

// Total returns how many things there are in all.
func (p *Pool) Total() int { return p.shares.Total }

// drop counts one less under k, and removes k at zero.
func drop[K comparable](counts map[K]int, k K) {
	if counts[k]--; counts[k] == 0 {
		delete(counts, k)
	}
}
