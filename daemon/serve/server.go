// Package serve answers lines over Unix sockets: it accepts connections, reads
// requests, has lookups answered by package resolve, and writes the replies. Who may
// ask what, and how much of the daemon one caller can hold, is decided here.
//
// The way of a line: server.go accepts a connection, conn.go reads a line from it;
// request.go reads a lookup's fields, command.go answers every other verb; access.go
// says what the caller may ask; outbox.go writes the reply when its turn has come.
package serve

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

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/daemon/lease"
	"github.com/neonauthd/neonauthd/daemon/membership"
	"github.com/neonauthd/neonauthd/daemon/resolve"
	"github.com/neonauthd/neonauthd/internal/accesslog"
	"github.com/neonauthd/neonauthd/internal/program"
	"github.com/neonauthd/neonauthd/internal/sockets"
	"github.com/neonauthd/neonauthd/protocol"
)

// Bounds of the server that the configuration does not set.
const (
	// MaxAdminConnections is how many connections the admin socket serves at once.
	MaxAdminConnections = 64
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

// Terms are what connections are served on, which a reload changes.
type Terms struct {
	// Limits bound what callers hold.
	Limits config.Limits
	// Projects are those that can be asked about.
	Projects resolve.Projects
	// Callers say who may ask what.
	Callers Callers
}

// Rest is what is left of an admin verb once it is in effect: it waits for others, may
// add to the reply, and returns why there is none, or nil.
type Rest func(ctx context.Context, reply *protocol.Reply) *Refusal

// Config is what a Server is made of. All of it is required.
type Config struct {
	// Resolver answers the lookups.
	Resolver *resolve.Resolver
	// Counters count what happens.
	Counters *Counters
	// Admin answers a caller's verbs of the admin socket, or says why it does not. Each is in
	// effect when it returns. Where the answer has to wait for others, rest is not nil.
	Admin func(verb protocol.Verb, r *protocol.Request, by fair.ID) (reply protocol.Reply, rest Rest, refused *Refusal)
	// Logout judges a caller's logout token, of a project that it may ask about, and ends
	// what the token names, or says why it cannot tell. It returns soon.
	Logout func(ctx context.Context, l *resolve.Lookup) (reply protocol.Reply, refused *Refusal)
	// Leases are of those who keep answers.
	Leases *lease.Watches
	// Hearing tells how this host stands with its fleet.
	Hearing func() membership.Hearing
	// Terms are in force until SetTerms changes them.
	Terms *Terms
	// Version is told to callers (HELLO).
	Version string
	// Log receives one line per event that an operator acts on.
	Log *slog.Logger
	// Access receives a line about each lookup; nil: there is none.
	Access *accesslog.Log
}

// Server owns the connections: it accepts them, bounds them and drains them. Make it
// with New. Safe for concurrent use.
type Server struct {
	resolver *resolve.Resolver
	leases   *lease.Watches
	hearing  func() membership.Hearing
	counters *Counters
	log      *slog.Logger
	access   *accesslog.Log
	version  string
	admin    func(verb protocol.Verb, r *protocol.Request, by fair.ID) (protocol.Reply, Rest, *Refusal)
	logout   func(ctx context.Context, l *resolve.Lookup) (protocol.Reply, *Refusal)
	terms    atomic.Pointer[Terms]
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

// New returns a Server without connections. It starts nothing.
func New(c Config) *Server {
	s := &Server{
		resolver: c.Resolver,
		counters: c.Counters,
		log:      c.Log,
		access:   c.Access,
		version:  c.Version,
		admin:    c.Admin,
		logout:   c.Logout,
		leases:   c.Leases,
		hearing:  c.Hearing,
		users:    sockets.OwnUserNamespace(),
		conns:    map[*conn]struct{}{},
		peers:    map[fair.ID]*peer{},
		bodies:   fair.NewBodies(fair.UnsentBodies()),
		wide:     newWideBuffers(),
		roomy:    fair.NewPool(fair.SendBuffers()),
		notices:  fair.NewPool(fair.Notices()),
		stopping: make(chan struct{}),
	}
	s.terms.Store(c.Terms)
	return s
}

// SetTerms puts t in force: for lines that are read from now on, and for new
// connections.
func (s *Server) SetTerms(t *Terms) { s.terms.Store(t) }

// Serve accepts on ln, the admin socket or the ordinary one, until ctx ends or ln is
// closed. It returns when no more connections will come; Drain is for those that are
// there.
func (s *Server) Serve(ctx context.Context, ln net.Listener, admin bool) error {
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
		s.counters.AcceptErrors.Add(1)
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
func (s *Server) open(ctx context.Context, nc net.Conn, admin bool) {
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
	c.adopt(s.terms.Load())
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
func (s *Server) register(nc net.Conn, from sockets.Credentials, admin bool) *conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.peer(from)
	limits := s.terms.Load().Limits
	shares := fair.Connections(limits.Connections, limits.ConnectionsPerUID)
	room := shares.Admit(p.conns-p.admins, len(s.conns)-s.admins, 1)
	if admin {
		room = s.admins < MaxAdminConnections
	}
	if !room || s.draining {
		s.counters.TurnedAway.Add(1)
		return nil
	}
	p.conns++
	if admin {
		s.admins++
		p.admins++
	}
	c := &conn{server: s, net: nc, peer: p, gid: from.GID, is: accesslog.Caller{UID: from.UID, PID: from.PID}, admin: admin, slots: make(chan struct{}, limits.InFlightPerConnection), idle: time.Duration(limits.IdleTimeout)}
	c.lines = protocol.NewLineReader(c, protocol.MaxRequestLine)
	c.out = newOutbox(nc, p.id, &c.is, s, limits.InFlightPerConnection, outboxCalls{s.resolver.Confirm, s.hearing, func() { c.cancel() }})
	s.conns[c] = struct{}{}
	s.counters.Connections.Add(1)
	return c
}

func (s *Server) unregister(c *conn) {
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

// Drain ends every connection after its replies. When ctx ends, lookups in
// flight are answered without their outcome; then connections are cut.
func (s *Server) Drain(ctx context.Context) error {
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

// Panicked records a panic without what it was about, which may be a token.
func (s *Server) Panicked(p any) {
	s.counters.Panics.Add(1)
	s.log.Error("a connection failed by a fault of ours; it was closed, the others go on; please report this line",
		"kind", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
}
