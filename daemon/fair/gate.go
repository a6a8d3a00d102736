package fair

import (
	"context"
	"sync"
)

// Gate lets a number of askers in at once. The others wait in a [Line]. It is safe for concurrent use. Make
// it with NewGate.
type Gate struct {
	shares Shares

	mu     sync.Mutex
	inside int
	own    map[ID]int // how many of inside each caller has
	line   Line
}

// NewGate returns a Gate. shares divides the places inside.
func NewGate(shares Shares) *Gate { return &Gate{shares: shares, own: map[ID]int{}} }

// Enter waits until the asker is inside, and returns nil; then the caller has to call Leave. If ctx ends
// first, Enter returns its error.
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
	if !g.line.Leave(w) { // the gate let the asker in at the same time
		g.leave(asker.ID)
	}
	return ctx.Err()
}

// Leave gives back one place of who inside.
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

// serve lets in the waiters that may come in now, by turns. g.mu is held.
func (g *Gate) serve() {
	may := func(who ID) bool { return g.shares.Admit(g.own[who], g.inside, 1) }
	for w := g.line.Next(may); w != nil; w = g.line.Next(may) {
		g.own[w.asker.ID]++
		g.inside++
		close(w.Ready)
	}
}
