package daemon

import (
	"runtime"

	"github.com/neonauthd/neonauthd/daemon/fair"
)

// How many lookups may wait, over all callers and of one, and how many of the
// places are kept for callers that have few.
const (
	maxWaiting     = 8192
	maxWaitingEach = 2048
	waitingKept    = maxWaiting / 8
)

// places are what lookups in flight take. Those that wait for the upstream are
// apart from those that wait for a verification: while an upstream hangs, tokens
// that need none are judged.
type places struct{ local, upstream *fair.Pool }

func newPlaces() places {
	shares := fair.Shares{Total: maxWaiting, Each: maxWaitingEach, Kept: waitingKept}
	return places{local: fair.NewPool(shares), upstream: fair.NewPool(shares)}
}

// newVerifications is the gate to the processors for what takes them longest. One
// processor is left to answers from memory, which would else wait behind as many
// verifications as anybody asks for; a caller has half of them.
func newVerifications() *fair.Gate {
	processors := runtime.GOMAXPROCS(0)
	return fair.NewGate(fair.Shares{Total: max(1, processors-1), Each: max(1, processors/2)})
}

// inFlight is how many lookups have a place.
func (p places) inFlight() int { return p.local.Taken() + p.upstream.Taken() }

// take gives a lookup a place for what it will wait for first, or reports
// false.
func (p places) take(asker fair.Asker, upstream bool) (*place, bool) {
	of := p.local
	if upstream {
		of = p.upstream
	}
	return &place{places: p, asker: asker, of: of}, of.TakeFor(asker)
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

// giveBack ends the lookup's waiting.
func (p *place) giveBack() { p.of.GiveFor(p.asker) }
