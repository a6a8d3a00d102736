// Package serving serves a handler until it is told to stop, and leaves nothing behind.
package serving

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// WriteTimeout is how long an answer may take to be written.
const WriteTimeout = 2 * time.Minute

// Bounds of the server. Answers under a fault may take long; the request's context ends them.
const (
	maxHeaderBytes  = 64 << 10
	headerTimeout   = 5 * time.Second
	readTimeout     = 10 * time.Second
	idleTimeout     = 2 * time.Minute
	shutdownTimeout = 2 * time.Second
)

// Run serves h on a listener, which it closes, until ctx ends; then it waits for every connection and
// goroutine it started. The error is nil when the end of ctx was the reason to stop.
func Run(ctx context.Context, listener net.Listener, h http.Handler) error {
	requests, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	open := connections{fresh: map[net.Conn]struct{}{}}
	server := &http.Server{
		Handler:           h,
		BaseContext:       func(net.Listener) context.Context { return requests },
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      WriteTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ConnState:         open.track,
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	var err error
	select {
	case err = <-ended:
	case <-ctx.Done():
		cancel() // hanging answers end
		open.closeFresh()
		stop(server)
		err = <-ended
	}
	cancel()
	server.Close()
	open.all.Wait()
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve: %w", err)
}

// stop lets answers under way finish for a moment, then cuts them.
func stop(server *http.Server) {
	grace, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	if server.Shutdown(grace) != nil {
		server.Close()
	}
}

// connections keeps track of the connections of a server.
type connections struct {
	all   sync.WaitGroup
	mu    sync.Mutex
	fresh map[net.Conn]struct{} // connections without a request so far
}

func (c *connections) track(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.fresh, conn)
	switch state {
	case http.StateNew:
		c.all.Add(1)
		c.fresh[conn] = struct{}{}
	case http.StateHijacked, http.StateClosed:
		c.all.Done()
	}
}

// closeFresh closes connections without a request, for which a shutdown would wait seconds. Clients
// often dial one more than they use.
func (c *connections) closeFresh() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.fresh {
		conn.Close()
	}
}
