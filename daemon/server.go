package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/daemon/lease"
	"github.com/neonauthd/neonauthd/daemon/membership"
	"github.com/neonauthd/neonauthd/daemon/resolve"
	"github.com/neonauthd/neonauthd/internal/program"
	"github.com/neonauthd/neonauthd/internal/sockets"
	"github.com/neonauthd/neonauthd/protocol"
)

// Bounds of the server that the configuration does not set.
const (
	// maxAdminConnections is how many connections the admin socket serves at once.
	maxAdminConnections = 64
	// turnedAwayInterval is how often it is logged that connections are turned
	// away.
	turnedAwayInterval = 10 * time.Second
	// drainGrace is how long a stopping server still takes lines that were on
	// their way.
	drainGrace = 100 * time.Millisecond
	// drainLast is how long the replies of an impatient end may take.
	drainLast = time.Second
	// acceptMinBackoff and acceptMaxBackoff bound the pause after a failed
	// accept, as net/http has them.
	acceptMinBackoff = 5 * time.Millisecond
	acceptMaxBackoff = time.Second
)

// server owns the connections: it accepts them, bounds them and drains them.
type server struct {
	resolver *resolve.Resolver
	fleet    *membership.Member
	ledger   *ledger
	leases   *lease.Watches
	log      *slog.Logger
	version  string
	admin    *admin
	state    *atomic.Pointer[state]
	users    sockets.UserNamespace

	mu        sync.Mutex
	draining  bool
	conns     map[*conn]struct{}
	admins    int // how many of conns are on the admin socket
	peers     map[fair.ID]*peer
	bodies    *fair.Bodies
	wide      *wideBuffers
	roomy     *fair.Pool    // connections with a large send buffer
	notices   *fair.Pool    // connections that were turned away and have not read why
	stopping  chan struct{} // closed once the server drains
	peersLeft int           // how many peers forget may leave before it looks again
	running   sync.WaitGroup
}

// serve accepts on ln until ctx ends or ln is closed. It returns when no more
// connections will come; wait is for those that are there.
func (s *server) serve(ctx context.Context, ln net.Listener, admin bool) error {
	stop := context.AfterFunc(ctx, func() { _ = ln.Close() })
	defer stop()
	backoff := acceptMinBackoff
	for {
		nc, err := ln.Accept()
		switch {
		case err == nil:
			backoff = acceptMinBackoff
			s.open(ctx, nc, admin)
			continue
		case ctx.Err() != nil, errors.Is(err, net.ErrClosed):
			return nil
		}
		// Out of file descriptors or memory: what is open goes on, and a spin
		// would make it worse.
		s.ledger.acceptErrors.Add(1)
		if backoff == acceptMinBackoff {
			s.log.Error("accept failed, will be tried again: what is open goes on; raise LimitNOFILE= or lower limits.connections", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(backoff):
		}
		backoff = min(2*backoff, acceptMaxBackoff)
	}
}

// open admits one connection and serves it, or turns it away with the reason.
func (s *server) open(ctx context.Context, nc net.Conn, admin bool) {
	from, err := sockets.PeerCredentials(nc)
	if err != nil {
		s.log.Warn("connection refused: no peer credentials", "error", err)
		_ = nc.Close()
		return
	}
	c := s.register(nc, from, admin)
	if c == nil {
		s.log.Warn("connection turned away: a limit is reached; look for a program that keeps its connections open, or raise [limits]",
			program.Every(turnedAwayInterval), slog.Any("uid", from.UID), slog.Any("pid", from.PID), slog.Bool("admin", admin))
		s.turnAway(nc, callerOf(from, s.users))
		return
	}
	if id := c.peer.id; id.PID == 0 && !s.users.Tells(id.UID) {
		s.log.Warn("callers from outside of this container cannot be told apart at all: limits per user count them as one; share the host's process ids or user ids with the daemon",
			program.Once())
	}
	s.makeRoom(c)
	c.adopt(s.state.Load())
	// Lookups end with their own deadlines, not with ctx: a drain answers them.
	c.ctx, c.cancel = context.WithCancel(context.WithoutCancel(ctx))
	s.running.Go(func() {
		defer s.unregister(c)
		c.serve()
	})
}

// register makes the connection's books, or returns nil if a limit is reached.
// Admin connections have a limit of their own: an operator has to be able to
// revoke while an application holds all there are.
func (s *server) register(nc net.Conn, from sockets.Credentials, admin bool) *conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.peer(from)
	limits := s.state.Load().config.Limits
	shares := fair.Connections(limits.Connections, limits.ConnectionsPerUID)
	room := shares.Admit(p.conns-p.admins, len(s.conns)-s.admins, 1)
	if admin {
		room = s.admins < maxAdminConnections
	}
	if !room || s.draining {
		s.ledger.turnedAway.Add(1)
		return nil
	}
	p.conns++
	if admin {
		s.admins++
		p.admins++
	}
	c := &conn{server: s, net: nc, peer: p, gid: from.GID, admin: admin, slots: make(chan struct{}, limits.InFlightPerConnection), idle: time.Duration(limits.IdleTimeout)}
	c.lines = protocol.NewLineReader(c, protocol.MaxRequestLine)
	c.out = newOutbox(nc, p.id, s, limits.InFlightPerConnection, outboxCalls{s.resolver.Confirm, s.fleet.Hearing, func() { c.cancel() }})
	s.conns[c] = struct{}{}
	s.ledger.accepted.Add(1)
	return c
}

func (s *server) unregister(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	c.peer.conns--
	if c.admin {
		s.admins--
		c.peer.admins--
	}
	if c.roomy {
		s.roomy.Give(c.peer.id)
	}
}

// drain ends every connection after its replies. When ctx ends, lookups in
// flight are answered without their outcome; then connections are cut.
func (s *server) drain(ctx context.Context) error {
	s.mu.Lock()
	s.draining = true
	close(s.stopping)
	for c := range s.conns {
		c.drain(drainGrace)
	}
	s.mu.Unlock()
	done := make(chan struct{})
	go func() {
		s.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	// Whoever waits still is told that nothing is known. Who is left then does
	// not read.
	s.mu.Lock()
	for c := range s.conns {
		c.cancel()
	}
	s.mu.Unlock()
	select {
	case <-done:
		return nil
	case <-time.After(drainLast):
	}
	s.mu.Lock()
	cut := len(s.conns)
	for c := range s.conns {
		_ = c.net.Close()
	}
	s.mu.Unlock()
	<-done
	return fmt.Errorf("drain: %d connections were cut: %w", cut, ctx.Err())
}

// panicked records a panic without what it was about, which may be a token.
func (s *server) panicked(p any) {
	s.ledger.panics.Add(1)
	s.log.Error("a connection failed by a fault of ours; it was closed, the others go on; please report this line",
		"kind", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
}
