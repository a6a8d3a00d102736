// Package connlimit bounds how many connections an HTTP server has at once, so that
// peers who send slowly cannot keep others out: where there is no place left, a new
// connection takes that of the one that has kept the server waiting most.
//
// What a peer is cannot be told before its request is whole, and not at all by its
// address, which is that of a web server. How it sends can be told: whoever sends as
// others do keeps its place, whoever does not loses it as soon as another one needs it.
package connlimit

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// What is expected of a peer.
const (
	// Pace is how many bytes a second keep a connection from falling behind.
	Pace = 16 << 10
	// Lead is the most that a peer can be ahead of that, so that who has sent much and
	// sends nothing more falls behind soon.
	Lead = time.Second
)

// Bound makes server count the connections of ln, of which there are at most limit at
// once, and returns the listener that it has to serve. It has to be called once for a
// server, when its Handler is set and before it serves; ConnState and ConnContext are
// set here. removed is called for each connection that is closed because there are too
// many, and has to be safe for concurrent use.
//
// A connection loses its place while its peer is waited for: for a request, for the
// rest of one, or to read an answer. From when a request is whole until it is answered
// a connection keeps its place; if all are in that state the new one is closed.
func Bound(server *http.Server, ln net.Listener, limit int, removed func()) net.Listener {
	next := server.Handler
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := From(r.Context())
		if r.Body == http.NoBody {
			c.answer()
		} else {
			r.Body = &body{r.Body, c}
		}
		next.ServeHTTP(w, r)
	})
	server.ConnContext = func(ctx context.Context, nc net.Conn) context.Context {
		return context.WithValue(ctx, key{}, nc)
	}
	server.ConnState = func(nc net.Conn, state http.ConnState) {
		c, ok := nc.(*Conn)
		switch {
		case !ok:
		case state == http.StateActive: // the head of a request is whole
			c.wait(0)
		case state == http.StateIdle: // it is answered
			c.wait(Lead)
		}
	}
	return &listener{Listener: ln, places: NewPlaces(limit), removed: removed, began: time.Now()}
}

// key is that of a connection in the context of its requests.
type key struct{}

// From returns the connection that a request has come on, by the request's context. It
// is nil where Bound did not count it: a nil Conn never loses a place.
func From(ctx context.Context) *Conn {
	c, _ := ctx.Value(key{}).(*Conn)
	return c
}

type listener struct {
	net.Listener
	places  *Places
	removed func()
	began   time.Time
}

// Accept returns the next connection that has a place.
func (l *listener) Accept() (net.Conn, error) {
	for {
		nc, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := &Conn{Conn: nc, removed: l.removed, began: l.began}
		c.wait(0)
		if c.place = l.places.Take(c); c.place != nil {
			return c, nil
		}
		c.remove()
	}
}

// Conn is a connection that is counted. It is safe for concurrent use.
type Conn struct {
	net.Conn
	place     *Place
	removed   func()
	began     time.Time    // what kept counts from
	kept      atomic.Int64 // until when its peer has done what is expected, in nanoseconds
	answering atomic.Bool  // its request is whole
}

func (c *Conn) now() int64 { return int64(time.Since(c.began)) }

// wait notes that from now on something is expected of the peer, who is ahead by lead at
// least.
func (c *Conn) wait(lead time.Duration) {
	c.kept.Store(max(c.kept.Load(), c.now()+int64(lead)))
	c.answering.Store(false)
}

// answer notes that nothing more is expected of the peer for now.
func (c *Conn) answer() {
	if c != nil {
		c.answering.Store(true)
	}
}

// Read reads what the peer sends.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		kept := c.kept.Load() + int64(n)*int64(time.Second)/Pace
		c.kept.Store(min(kept, c.now()+int64(Lead)))
	}
	return n, err
}

// Write writes what the peer may not take.
func (c *Conn) Write(p []byte) (int, error) {
	if c.answering.Load() {
		c.wait(0)
		defer c.answer()
	}
	return c.Conn.Write(p)
}

// CloseWrite ends what the peer reads. With it net/http lets an answer arrive that it
// gives before the request has come whole.
func (c *Conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// Close closes the connection and gives its place back.
func (c *Conn) Close() error {
	c.place.Leave()
	return c.Conn.Close()
}

// remove closes a connection that has no place any more.
func (c *Conn) remove() {
	c.removed()
	_ = c.Close() // there is nobody to tell
}

// body is that of a request, and tells when it is whole.
type body struct {
	io.ReadCloser
	conn *Conn
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		b.conn.answer()
	}
	return n, err
}

// Places are what connections can have only so many of at once. Make them with
// NewPlaces. They are safe for concurrent use.
type Places struct {
	max   int
	mu    sync.Mutex
	taken map[*Place]struct{}
}

// NewPlaces returns places for at most limit connections.
func NewPlaces(limit int) *Places {
	return &Places{max: limit, taken: map[*Place]struct{}{}}
}

// Place is one of Places. It has to be left.
type Place struct {
	of   *Places
	conn *Conn
	left chan struct{}
	once sync.Once
}

// Take gives c a place. If there is none left it closes the connection among those that
// have one whose peer has kept the server waiting most, and waits until that place is
// left, which has to follow from the end of the connection at once. It returns nil if
// there is no such connection.
func (p *Places) Take(c *Conn) *Place {
	taken := &Place{of: p, conn: c, left: make(chan struct{})}
	p.mu.Lock()
	var last *Place
	if len(p.taken) >= p.max {
		if last = p.last(); last == nil {
			p.mu.Unlock()
			return nil
		}
		delete(p.taken, last)
	}
	p.taken[taken] = struct{}{}
	p.mu.Unlock()
	if last != nil {
		last.conn.remove()
		<-last.left
	}
	return taken
}

// last is the place of the connection whose peer is furthest behind; nil if none is
// waited for.
func (p *Places) last() (last *Place) {
	var kept int64
	for place := range p.taken {
		c := place.conn
		if c == nil || c.answering.Load() {
			continue
		}
		if at := c.kept.Load(); last == nil || at < kept {
			last, kept = place, at
		}
	}
	return last
}

// Leave gives the place back. A place can be left several times, and nil is none.
func (p *Place) Leave() {
	if p == nil {
		return
	}
	p.once.Do(func() {
		p.of.mu.Lock()
		delete(p.of.taken, p)
		p.of.mu.Unlock()
		close(p.left)
	})
}
