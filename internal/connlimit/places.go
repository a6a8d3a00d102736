package connlimit

import (
	"context"
	"sync"
	"time"
)

// MaxWait is how long a new connection waits at most for another one to fall behind. If
// the peers of all connections keep the pace for so long, the connection that is furthest
// behind the others loses its place.
const MaxWait = Lead

// Places are a number of places for connections. Make them with NewPlaces. They are safe
// for concurrent use.
type Places struct {
	max   int
	ahead time.Duration // a place is safe while its peer is further ahead of the pace
	turn  chan struct{} // is full while a call of Take waits for a place; others wait to fill it
	freed chan struct{} // is full after a place was left, until the waiting call has noticed

	mu    sync.Mutex
	taken map[*Place]struct{}
}

// NewPlaces returns places for at most limit connections. A peer that has sent much and
// then sends nothing keeps its place for the time quiet, which is at most Lead.
func NewPlaces(limit int, quiet time.Duration) *Places {
	return &Places{
		max:   limit,
		ahead: Lead - quiet,
		turn:  make(chan struct{}, 1),
		freed: make(chan struct{}, 1),
		taken: map[*Place]struct{}{},
	}
}

// Place is one of Places. A caller of Take has to call Leave.
type Place struct {
	of   *Places
	conn *Conn
	left chan struct{}
	once sync.Once
}

// Take gives c a place. Calls get their places in their order. If all places are taken,
// the first call waits until a place is left or until a connection has fallen behind, for
// MaxWait at most. Then Take closes the connection that is furthest behind. The holder
// of that connection's place has to leave it at once.
//
// The time in which c waits does not count against its peer. If c is nil, nobody can take
// its place.
//
// Take returns nil if ctx is done, or if all places are taken and the server waits for
// none of their peers.
func (p *Places) Take(ctx context.Context, c *Conn) *Place {
	c.answer()
	defer c.wait()
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return nil
	}
	place := &Place{of: p, conn: c, left: make(chan struct{})}
	latest := time.Now().Add(MaxWait)
	for ctx.Err() == nil {
		last, wait, ok := p.enter(place, !time.Now().Before(latest))
		switch {
		case last != nil:
			last.conn.remove()
			<-last.left
			return place
		case ok:
			return place
		case wait == 0:
			return nil
		}
		select {
		case <-p.freed:
		case <-time.After(min(wait, time.Until(latest))):
		case <-ctx.Done():
		}
	}
	return nil
}

// enter takes a free place. If there is none, enter takes the place of the connection
// that is furthest behind, and returns it, if that connection is behind or anyone is
// true. Otherwise it returns the time until that connection is behind; 0 if the server
// waits for no peer.
func (p *Places) enter(place *Place, anyone bool) (last *Place, wait time.Duration, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.taken) >= p.max {
		if last = p.last(); last == nil {
			return nil, 0, false
		}
		if wait = last.conn.ahead() - p.ahead; wait > 0 && !anyone {
			return nil, wait, false
		}
		delete(p.taken, last)
	}
	p.taken[place] = struct{}{}
	place.conn.wait() // so that the next call can wait for this one
	return last, 0, true
}

// last returns the place of the connection that is furthest behind among those whose peer
// the server waits for; nil if there is none.
func (p *Places) last() (last *Place) {
	var kept int64
	for place := range p.taken {
		c := place.conn
		if c == nil || c.answering.Load() {
			continue
		}
		if until := c.kept.Load(); last == nil || until < kept {
			last, kept = place, until
		}
	}
	return last
}

// Leave gives the place back. Further calls do nothing. Leave of a nil Place does
// nothing.
func (p *Place) Leave() {
	if p == nil {
		return
	}
	p.once.Do(func() {
		p.of.mu.Lock()
		delete(p.of.taken, p)
		p.of.mu.Unlock()
		close(p.left)
		select {
		case p.of.freed <- struct{}{}:
		default:
		}
	})
}
