package fair

import "sync"

// Pool divides things that are all alike and are given back one by one. Safe for concurrent use; use NewPool.
type Pool struct {
	shares Shares

	mu    sync.Mutex
	taken int
	own   map[ID]int // of those who have any
}

// NewPool returns a Pool that is divided by shares.
func NewPool(shares Shares) *Pool { return &Pool{shares: shares, own: map[ID]int{}} }

// Take gives who one more, which has to be given back, or reports false.
func (p *Pool) Take(who ID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	own := p.own[who]
	if !p.shares.Admit(own, p.taken, 1) {
		return false
	}
	p.own[who] = own + 1
	p.taken++
	return true
}

// Give gives back one that Take gave to who.
func (p *Pool) Give(who ID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.own[who]--; p.own[who] == 0 {
		delete(p.own, who)
	}
	p.taken--
}

// Taken returns how many are taken.
func (p *Pool) Taken() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.taken
}

// Total returns how many there are in all.
func (p *Pool) Total() int { return p.shares.Total }
