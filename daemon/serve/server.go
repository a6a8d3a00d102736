// Package serve answers lines over Unix sockets: it accepts connections, reads requests,
// passes lookups to package resolve, and writes the replies. It decides who may ask what, and
// how much of the daemon one caller can hold.
//
// The path of a line: server.go accepts a connection, and conn.go reads a line from it;
// request.go reads a lookup's fields, and command.go answers every other verb; access.go says
// what the caller may ask; outbox.go writes the reply when its turn has come.
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
	// turnedAwayInterval is the interval of the log line about connections that are turned
	// away.
	turnedAwayInterval = 10 * time.Second
	// drainGrace is how long a stopping server still accepts lines that were on their way.
	drainGrace = 100 * time.Millisecond
	// drainLast is how long the replies may take after the context of Drain has ended.
	drainLast = time.Second
	// acceptMinBackoff and acceptMaxBackoff bound the pause after a failed accept, with the
	// values of net/http.
	acceptMinBackoff = 5 * time.Millisecond
	acceptMaxBackoff = time.Second
)

// Terms are the settings by which connections are served. A reload changes them.
type Terms struct {
	// Limits bound what callers can hold.
	Limits config.Limits
	// Projects are the projects that can be asked about.
	Projects resolve.Projects
	// Callers say who may ask what.
	Callers Callers
}

// Rest is the rest of an admin verb after the verb is in effect. It waits for others, may add
// to the reply, and returns nil, or a refusal that takes the reply's place.
type Rest func(ctx context.Context, reply *protocol.Reply) *Refusal

// Config is the configuration of a Server. All fields but Access are required.
type Config struct {
	// Resolver answers the lookups.
	Resolver *resolve.Resolver
	// Counters count what happens.
	Counters *Counters
	// Admin answers a caller's verb on the admin socket, or refuses it. When Admin returns,
	// the verb is in effect. If the answer has to wait for others, rest is not nil.
	Admin func(verb protocol.Verb, r *protocol.Request, by fair.ID) (reply protocol.Reply, rest Rest, refused *Refusal)
	// Logout judges a caller's logout token for a project that the caller may ask about, and
	// ends what the token names; or it refuses the request. It returns soon.
	Logout func(ctx context.Context, l *resolve.Lookup) (reply protocol.Reply, refused *Refusal)
	// Leases are the watches of clients that keep answers.
	Leases *lease.Watches
	// Hearing tells whether and when this host has heard its fleet.
	Hearing func() membership.Hearing
	// Terms are the settings until SetTerms changes them.
	Terms *Terms
	// Version is told to callers (HELLO).
	Version string
	// Log gets one line for each event that an operator acts on.
	Log *slog.Logger
	// Access gets a line about each lookup; nil: there is no access log.
	Access *accesslog.Log
}

// Server owns the connections: it accepts, limits and drains them. Make it with New. It is
// safe for concurrent use.
type Server struct {
	resolver  *resolve.Resolver
	leases    *lease.Watches
	hearing   func() membership.Hearing
	counters  *Counters
	log       *slog.Logger
	accessLog *accesslog.Log
	version   string
	admin     func(verb protocol.Verb, r *protocol.Request, by fair.ID) (protocol.Reply, Rest, *Refusal)
	logout    func(ctx context.Context, l *resolve.Lookup) (protocol.Reply, *Refusal)
	terms     atomic.Pointer[Terms]
	users     sockets.UserNamespace

	mu        sync.Mutex
	draining  bool
	conns     map[*conn]struct{}
	admins    int // how many of conns are on the admin socket
	peers     map[fair.ID]*peer
	bodies    *fair.Bodies
	wide      *wideBuffers
	roomy     *fair.Pool    // connections with a large send buffer
	notices   *fair.Pool    // connections that were turned away and whose peers have not read the reason
	stopping  chan struct{} // closed once the server drains
	peersLeft int           // forget drops peers when there are that many
	running   sync.WaitGroup
}

// New returns a Server without connections. It starts nothing.
func New(c Config) *Server {
	s := &Server{
		resolver:  c.Resolver,
		counters:  c.Counters,
		log:       c.Log,
		accessLog: c.Access,
		version:   c.Version,
		admin:     c.Admin,
		logout:    c.Logout,
		leases:    c.Leases,
		hearing:   c.Hearing,
		users:     sockets.OwnUserNamespace(),
		conns:     map[*conn]struct{}{},
		peers:     map[fair.ID]*peer{},
		bodies:    fair.NewBodies(fair.UnsentBodies()),
		wide:      newWideBuffers(),
		roomy:     fair.NewPool(fair.SendBuffers()),
		notices:   fair.NewPool(fair.Notices()),
		stopping:  make(chan struct{}),
	}
	s.terms.Store(c.Terms)
	return s
}

// SetTerms puts t in force for lines that are read from now on, and for new connections.
func (s *Server) SetTerms(t *Terms) { s.terms.Store(t) }

// Serve accepts connections on ln, the admin socket or the ordinary one, until ctx ends or ln
// is closed. When it returns, no more connections come; Drain ends those that are open.
func (s *Server) Serve(ctx context.Context, ln net.Listener, admin bool) {
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
			return
		}
		// Out of file descriptors or memory: open connections go on. A retry without a pause
		// would make it worse.
		s.counters.AcceptErrors.Add(1)
		if backoff == acceptMinBackoff {
			s.log.Error("accept failed, will be tried again: what is open goes on; raise LimitNOFILE= or lower limits.connections", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(backoff):
		}
		backoff = min(2*backoff, acceptMaxBackoff)
	}
}

// Drain ends every connection after its replies. When ctx ends, the lookups in flight are
// answered as unknown; then the connections are cut.
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
	// Lookups that still wait are answered as unknown. A connection that is still open after
	// that has a peer that does not read.
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

// Panicked records a panic, without the panic's value, which may be a token.
func (s *Server) Panicked(p any) {
	s.counters.Panics.Add(1)
	s.log.Error("a connection failed by a fault of ours; it was closed, the others go on; please report this line",
		"kind", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
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
	// Lookups end with their own deadlines, not with ctx, because a drain still answers them.
	c.ctx, c.cancel = context.WithCancel(context.WithoutCancel(ctx))
	s.running.Go(func() {
		defer s.unregister(c)
		c.serve()
	})
}

// register makes the conn of a new connection, or returns nil if a limit is reached. Admin
// connections have a limit of their own: an operator must be able to revoke while an
// application holds all other connections.
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
