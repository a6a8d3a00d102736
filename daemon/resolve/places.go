package resolve

import "github.com/neonauthd/neonauthd/daemon/fair"

// places are what lookups in flight take. Those that wait for the upstream are
// apart from those that wait for a verification: while an upstream hangs, tokens
// that need none are judged.
type places struct{ local, upstream *fair.Pool }

func newPlaces() places {
	return places{local: fair.NewPool(fair.Waiting()), upstream: fair.NewPool(fair.Waiting())}
}

// Admit gives a lookup that Recall could not answer a place to wait at, or reports
// that its asker has used up its share. Leave ends what Admit has given.
func (r *Resolver) Admit(l *Lookup) bool {
	if l.OnlyUpstream() && !r.sessions.Allow(l.Asker) {
		return false
	}
	of := r.places.local
	if l.OnlyUpstream() {
		of = r.places.upstream
	}
	if !of.TakeFor(l.Asker) {
		return false
	}
	l.place = &place{places: r.places, asker: l.Asker, of: of}
	return true
}

// Leave gives back the place of a lookup that was admitted.
func (r *Resolver) Leave(l *Lookup) { l.place.of.GiveFor(l.place.asker) }

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
