package fair

import (
	"context"
	"sync"
)

// Gate lets a number of askers in at once. The others wait in a [Line]. Safe for concurrent use; use NewGate.
type Gate struct {
	shares Shares

	mu     sync.Mutex
	inside int
	own    map[ID]int // of inside, of those who have any
	line   Line
}

// NewGate returns a Gate whose inside is divided by shares.
func NewGate(shares Shares) *Gate { return &Gate{shares: shares, own: map[ID]int{}} }

// Enter returns nil once the asker is inside, which Leave has to end, or the error of ctx if that ends first.
func (g *Gate) Enter(ctx context.Context, asker Asker) error {
	g.mu.Lock()
	w := g.line.Join(asker)
	g.serve()
	g.mu.Unlock()
	select {
	case <-w.Ready:
		return nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.line.Leave(w) { // let in at the same time
		g.leave(asker.ID)
	}
	return ctx.Err()
}

// Leave ends one stay of who inside.
func (g *Gate) Leave(who ID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.leave(who)
}

func (g *Gate) leave(who ID) {
	drop(g.own, who)
	g.inside--
	g.serve()
}

// serve lets in whoever may come in now, by turns. g.mu is held.
func (g *Gate) serve() {
	may := func(who ID) bool { return g.shares.Admit(g.own[who], g.inside, 1) }
	for w := g.line.Next(may); w != nil; w = g.line.Next(may) {
		g.own[w.asker.ID]++
		g.inside++
		close(w.Ready)
	}
}

// Waiting returns how many wait.
func (g *Gate) Waiting() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.line.Len()
}
