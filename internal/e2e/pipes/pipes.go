// Package pipes provides a listener whose connections are pipes. Servers and
// clients that use it can run in a bubble of testing/synctest, where a TCP
// connection cannot.
package pipes

import (
	"context"
	"net"
	"sync"
)

// Listener is a net.Listener; Listen makes one. It is safe for concurrent use.
type Listener struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

// Listen returns a Listener.
func Listen() *Listener {
	return &Listener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

// Dial connects, and returns when the server has accepted the connection. It fails when
// ctx ends and when the listener is closed.
func (l *Listener) Dial(ctx context.Context) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case l.conns <- theirs:
		return ours, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Accept returns the next connection.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept and Dial. Connections stay open.
func (l *Listener) Close() error { l.once.Do(func() { close(l.closed) }); return nil }

// Addr returns an address without a meaning.
func (l *Listener) Addr() net.Addr { return &net.UnixAddr{Name: "pipes"} }
