package resolve

import "github.com/neonauthd/neonauthd/daemon/fair"

// places are the places that lookups in flight take. Lookups that wait for the
// upstream and lookups that wait for a verification have separate places. So
// while an upstream hangs, tokens that do not need it are still judged.
type places struct{ local, upstream *fair.Pool }

func newPlaces() places {
	return places{local: fair.NewPool(fair.Waiting()), upstream: fair.NewPool(fair.Waiting())}
}

// place is the place of one lookup. Only the goroutine that serves the lookup
// may call its methods.
type place struct {
	places places
	asker  fair.Asker
	of     *fair.Pool
}

// forUpstream exchanges the place for a place to wait for the upstream. It
// returns false if no such place is free. A nil place, of a question of this
// program's own, needs none.
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
