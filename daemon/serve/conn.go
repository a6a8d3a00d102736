package serve

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/neonauthd/neonauthd/daemon/resolve"
	"github.com/neonauthd/neonauthd/internal/accesslog"
	"github.com/neonauthd/neonauthd/protocol"
)

// The time limits of a connection.
const (
	// LineTimeout is how long a line may take from its first byte to its last,
	// and a new connection to its first line.
	LineTimeout = 5 * time.Second
	// lingerTime and maxLinger bound what is read and thrown away behind a line
	// that was too long.
	lingerTime = 500 * time.Millisecond
	maxLinger  = 1 << 20
)

// conn serves one connection: line in, line out. One goroutine reads and
// answers whatever memory can; a lookup that has to wait gets a goroutine of
// its own. Untagged replies keep the order of their requests.
type conn struct {
	server *Server
	net    net.Conn
	peer   *peer
	gid    uint32           // of the process that connected; processes of one user may differ in it
	is     accesslog.Caller // that process
	admin  bool             // on the admin socket
	roomy  bool             // has a large send buffer
	terms  *Terms           // from which access was taken
	access access           // what this caller may ask
	lines  *protocol.LineReader
	ask    ask              // of the line at hand
	req    protocol.Request // of the line at hand
	slots  chan struct{}    // one per lookup in flight
	idle   time.Duration    // how long a peer may ask nothing
	misses sync.WaitGroup
	ctx    context.Context
	cancel context.CancelFunc

	greeted  bool      // a first line has come
	begun    bool      // what was read last is the beginning of a line
	timed    bool      // the deadline of the line at hand is set
	idleTill time.Time // read deadline in force
	deaf     bool      // nothing more can arrive

	drainMu  sync.Mutex // guards draining and the read deadline; never held while writing
	draining bool

	out *outbox
}

// serve answers until the peer leaves, errs, idles too long, or the server
// drains. Every line it has read is answered before it returns.
func (c *conn) serve() {
	defer c.server.part(c.net)
	defer func() {
		c.cancel()
		hangUp(c.net)
		c.misses.Wait()
		c.out.close()
		c.lines = nil
	}()
	defer func() {
		if p := recover(); p != nil {
			c.server.Panicked(p)
		}
	}()
	err := c.loop()
	if !peerWaits(err) {
		c.cancel() // nobody is left to answer
	}
	c.misses.Wait()
	c.out.flush()
	if errors.Is(err, protocol.ErrLineTooLong) {
		c.linger()
	}
}

// linger takes what a peer is still sending, within bounds: closing on unread
// bytes would reset the connection, and the peer might lose the reply that
// tells why.
func (c *conn) linger() {
	if u, ok := c.net.(*net.UnixConn); ok {
		_ = u.CloseWrite() // Read tells if the peer is gone
	}
	_ = c.net.SetReadDeadline(time.Now().Add(lingerTime))
	_, _ = io.CopyN(io.Discard, c.net, maxLinger)
}

func (c *conn) loop() error {
	for {
		c.out.room()
		c.timed = false
		line, err := c.lines.ReadLine()
		switch {
		case err == nil:
		case errors.Is(err, protocol.ErrLineTooLong):
			c.req = protocol.Request{} // which was another line
			c.refuse(nil, &Refusal{Code: protocol.CodeLineTooLong, Advice: "a request line has at most 16384 bytes; this connection ends"})
			return err
		case isTimeout(err) && c.busy() && !c.begun && !c.stopping():
			continue // idle only because we are slow
		case isTimeout(err) && c.stopping() && c.deafen():
			continue // with what has arrived
		default:
			return err
		}
		c.greeted = true
		if !c.handle(line) {
			return io.EOF
		}
		if !c.lines.Buffered() {
			c.out.flush()
		}
	}
}

// Read arms the read deadline and reads; it is the line reader's source.
func (c *conn) Read(p []byte) (int, error) {
	now := time.Now()
	switch {
	case c.timed: // once per line, or a byte now and then would keep it alive
	case c.begun || !c.greeted:
		c.timed = true
		c.setIdle(now.Add(min(LineTimeout, c.idle)))
	default:
		// Resetting a deadline costs more than reading a line: let it lie as
		// long as it is not too early, nor more than a quarter late.
		if left := c.idleTill.Sub(now); left < c.idle || left > c.idle+c.idle/4 {
			c.setIdle(now.Add(c.idle + c.idle/4))
		}
	}
	n, err := c.net.Read(p)
	if n > 0 {
		c.begun = p[n-1] != '\n'
	}
	return n, err
}

func (c *conn) setIdle(till time.Time) {
	c.drainMu.Lock()
	defer c.drainMu.Unlock()
	if !c.draining {
		c.idleTill = till
		_ = c.net.SetReadDeadline(till) // fails only when closed, and then so does Read
	}
}

// drain lets the connection end: what arrives within grace is still answered.
func (c *conn) drain(grace time.Duration) {
	c.drainMu.Lock()
	defer c.drainMu.Unlock()
	c.draining = true
	_ = c.net.SetReadDeadline(time.Now().Add(grace))
}

// deafen ends what can arrive, the first time it is asked to: from then on the
// peer's writes fail, so it has no line that was taken and not answered. What
// has arrived can be read still (on Linux; other systems may drop it).
func (c *conn) deafen() bool {
	u, ok := c.net.(*net.UnixConn)
	if !ok || c.deaf {
		return false
	}
	c.deaf = true
	return errors.Join(u.CloseRead(), u.SetReadDeadline(time.Time{})) == nil
}

func (c *conn) stopping() bool {
	c.drainMu.Lock()
	defer c.drainMu.Unlock()
	return c.draining
}

// busy reports whether lookups are in flight.
func (c *conn) busy() bool { return len(c.slots) > 0 }

// handle answers one line, or begins to. False ends the connection.
func (c *conn) handle(line []byte) bool {
	r := &c.req
	if err := protocol.ParseRequest(line, r); err != nil {
		c.refuse(r.Tag, &Refusal{Code: protocol.CodeBadRequest, Advice: err.Error()})
		return true
	}
	switch protocol.Verb(r.Verb) {
	case protocol.VERIFY:
		c.lookup(resolve.LevelClaims)
	case protocol.PROFILE:
		c.lookup(resolve.LevelProfile)
	default:
		return c.command(r)
	}
	return true
}

// adopt takes this caller's rights from a configuration, at first and after
// each reload. The admin socket's mode says who administers: no rule applies.
func (c *conn) adopt(t *Terms) {
	c.terms = t
	c.access = access{}
	if !c.admin {
		c.access = t.Callers.access(c.peer.id.UID, c.gid)
	}
}

// lookup answers the request at hand from memory, or sends it to be resolved.
func (c *conn) lookup(level resolve.Level) {
	a := &c.ask
	a.reset(level)
	a.Asker.ID = c.peer.id
	if c.server.tells(c.ctx) {
		a.asked = time.Now()
	}
	if t := c.server.terms.Load(); t != c.terms {
		c.adopt(t)
	}
	refused := a.read(&c.req, &c.terms.Projects)
	if refused == nil {
		refused = c.access.refuse(&a.Lookup)
	}
	if refused != nil {
		refused.about = a.Project
		c.refuse(c.req.Tag, refused)
		return
	}
	began := c.server.counters.Latency.sample()
	a.begin(c.server.leases)
	// A reload tells all to forget what the old terms have decided. One that has come between is in the revision already.
	a.keep = a.keep && c.server.terms.Load() == c.terms
	v, ok := c.server.resolver.Recall(&a.Lookup)
	if ok {
		c.reply(c.req.Tag, nil, &a.question, &v, &c.access)
		c.server.counters.Latency.hit(began)
		return
	}
	a.Asker.For = string(a.label) // not before: a hit needs no share
	if c.server.resolver.Admit(&a.Lookup) {
		c.miss(a)
		return
	}
	v = resolve.Busy()
	c.reply(c.req.Tag, nil, &a.question, &v, &c.access)
}

// errMissing ends a connection on which a reply will not come.
var errMissing = errors.New("a reply is missing")

// takeSlot takes the place of one request in flight. A full connection is read no
// further until one of them has been answered.
func (c *conn) takeSlot() {
	select {
	case c.slots <- struct{}{}:
	default:
		c.out.flush()
		c.slots <- struct{}{}
	}
}

// miss resolves the lookup in a goroutine.
func (c *conn) miss(a *ask) {
	began := time.Now()
	c.takeSlot()
	own := *a
	own.Token = append([]byte(nil), a.Token...)
	tag := append([]byte(nil), c.req.Tag...)
	rights := c.access // as they were when it asked: a reload may change the connection's meanwhile
	place := c.out.reserve(tag)
	c.misses.Go(func() {
		defer func() {
			c.server.resolver.Leave(&own.Lookup)
			<-c.slots
			if p := recover(); p != nil {
				c.server.Panicked(p)
				c.out.abort(errMissing) // this connection only
			}
		}()
		ctx, cancel := context.WithTimeout(c.ctx, own.deadline)
		defer cancel()
		v := c.server.resolver.Resolve(ctx, &own.Lookup)
		c.reply(tag, place, &own.question, &v, &rights)
		if !c.server.counters.isOwn(&own.Lookup) {
			c.server.counters.Latency.miss(began)
		}
		c.out.flush()
	})
}

// reply hands over a verdict's line to a caller with these rights. Where too
// much waits to be sent already, the caller is told that nothing is known.
func (c *conn) reply(tag []byte, place *slot, q *question, v *resolve.Verdict, rights *access) {
	body, ok := rights.redact(v, c.peer.id, c.server.bodies)
	if !ok {
		*v = resolve.Busy()
	}
	c.out.verdict(tag, place, q, v, body)
}

// refuse hands over the reply to a wrong request.
func (c *conn) refuse(tag []byte, r *Refusal) {
	c.server.counters.Refused.add(r.Code)
	c.server.log.Debug("request refused", "uid", c.peer.id.User(), "code", string(r.Code))
	c.tellRefused(r)
	c.out.refusal(tag, nil, r)
}

// peerWaits reports whether a peer that ended its requests with err may still
// read replies: after a clean end, or because we ended the reading.
func peerWaits(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, protocol.ErrLineTooLong) || isTimeout(err)
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
