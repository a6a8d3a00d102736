package resolve

import "github.com/neonauthd/neonauthd/daemon/fair"

// places are what lookups in flight take. Those that wait for the upstream are
// apart from those that wait for a verification: while an upstream hangs, tokens
// that need none are judged.
type places struct{ local, upstream *fair.Pool }

func newPlaces() places {
	return places{local: fair.NewPool(fair.Waiting()), upstream: fair.NewPool(fair.Waiting())}
}

// place is one lookup's place. Its methods are for the goroutine that serves the
// lookup.
type place struct {
	places places
	asker  fair.Asker
	of     *fair.Pool
}

// forUpstream makes the place one of those that wait for the upstream, or
// reports false where there is none. A question of our own needs none.
func (p *place) forUpstream() bool {
	switch {
	case p == nil, p.of == p.places.upstream:
		return true
	case !p.places.upstream.TakeFor(p.asker):
		return false
	}
	p.of.GiveFor(p.asker)
	p.of = p.places.upstream
	return true
}
