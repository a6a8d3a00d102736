// Package connlimit bounds how many connections an HTTP server has at once. Peers that
// send slowly cannot keep others out: if all places are taken, a new connection gets the
// place of the connection whose peer is furthest behind the expected pace.
//
// The server cannot know who a peer is before its request is complete, and the address
// does not help, because it is the address of a web server in front. The pace is what the
// server can see. A peer that keeps the pace keeps its place. A peer that falls behind
// loses its place when another connection needs it, and not before it has fallen behind,
// however many connections are waiting: peers that connect again at once cannot drive out
// a connection that is in use.
package connlimit

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// The expected pace of a peer.
const (
	// Pace is how many bytes a second keep a connection from falling behind.
	Pace = 16 << 10
	// Lead is how far ahead of the pace a peer can be at most. Each peer starts with it,
	// and gets it again when the head of a request is complete and when a request is
	// answered. A peer that sends nothing is behind after this time.
	Lead = time.Second
)

// Bound makes server count the connections of ln, at most limit at once, and returns the
// listener that the server has to serve. Call it once for a server, after its Handler is
// set and before it serves. Bound sets ConnState and ConnContext. removed is called for
// each connection that is closed because there are too many, and has to be safe for
// concurrent use.
//
// The place of a connection can be taken while the server waits for its peer: for a
// request, for the rest of a request, or until the peer reads an answer. It cannot be
// taken from when a request is complete until it is answered. If all connections are
// being answered, a new connection is closed.
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
		// StateActive: the head of a request is complete. StateIdle: it is answered.
		if c, ok := nc.(*Conn); ok && (state == http.StateActive || state == http.StateIdle) {
			c.wait()
		}
	}
	ctx, closed := context.WithCancel(context.Background())
	return &listener{Listener: ln, places: NewPlaces(limit, Lead), removed: removed, began: time.Now(), ctx: ctx, closed: closed}
}

// key is the key of a connection in the context of its requests.
type key struct{}

// From returns the connection of a request, from the request's context. It returns nil if
// Bound did not count the connection. A nil Conn never loses a place.
func From(ctx context.Context) *Conn {
	c, _ := ctx.Value(key{}).(*Conn)
	return c
}

type listener struct {
	net.Listener
	places  *Places
	removed func()
	began   time.Time
	ctx     context.Context //nolint:containedctx // the listener's own: done when it is closed
	closed  context.CancelFunc
}

// Accept returns the next connection that has a place. While it waits for a place, further
// connections wait in the kernel's queue, in the order in which they came.
func (l *listener) Accept() (net.Conn, error) {
	for {
		nc, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := &Conn{Conn: nc, removed: l.removed, began: l.began}
		if c.place = l.places.Take(l.ctx, c); c.place != nil {
			return c, nil
		}
		c.remove()
	}
}

// Close also ends the wait for a place.
func (l *listener) Close() error {
	l.closed()
	return l.Listener.Close()
}

// Conn is a connection that is counted. It is safe for concurrent use.
type Conn struct {
	net.Conn
	place     *Place
	removed   func()
	began     time.Time    // kept counts from here
	kept      atomic.Int64 // the peer is ahead of the pace until then, in nanoseconds
	answering atomic.Bool  // the server does not wait for the peer
}

func (c *Conn) now() int64 { return int64(time.Since(c.began)) }

// ahead is how far the peer is ahead of the pace; below 0 it is behind.
func (c *Conn) ahead() time.Duration { return time.Duration(c.kept.Load() - c.now()) }

// wait notes that the server waits for the peer from now on.
func (c *Conn) wait() {
	if c != nil {
		c.kept.Store(c.now() + int64(Lead))
		c.answering.Store(false)
	}
}

// answer notes that the server does not wait for the peer until it calls wait.
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

// Write writes an answer. The peer may be slow to read it.
func (c *Conn) Write(p []byte) (int, error) {
	if c.answering.Load() {
		c.wait()
		defer c.answer()
	}
	return c.Conn.Write(p)
}

// CloseWrite ends the direction to the peer. net/http calls it so that an answer that it
// gives before the request is complete still arrives.
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

// remove closes a connection that has no place, or that has lost it.
func (c *Conn) remove() {
	c.removed()
	_ = c.Close() // there is nobody to tell
}

// body is the body of a request. It notes on the connection when the body is complete.
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
