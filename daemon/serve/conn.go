package serve

import (
	"bytes"
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
	// lingerTime and maxLinger bound how long, and how much, is read and thrown away after a line that was too long.
	lingerTime = 500 * time.Millisecond
	maxLinger  = 1 << 20
)

// conn serves one connection: line in, line out. One goroutine reads requests and answers those that memory can answer;
// a lookup that has to wait gets a goroutine of its own. Untagged replies keep the order of their requests.
type conn struct {
	server     *Server
	net        net.Conn
	peer       *peer
	gid        uint32           // of the process that connected; processes of one user may have different groups
	is         accesslog.Caller // the process that connected
	admin      bool             // on the admin socket
	roomy      bool             // has a large send buffer
	terms      *Terms           // the terms that permission was taken from
	permission permission       // what this caller may ask
	lines      *protocol.LineReader
	ask        ask              // of the current line
	req        protocol.Request // of the current line
	slots      chan struct{}    // one per lookup in flight
	idle       time.Duration    // how long a peer may stay without a request
	pending    sync.WaitGroup   // requests that are answered in a goroutine
	ctx        context.Context
	cancel     context.CancelFunc

	greeted    bool      // a first line has arrived
	begun      bool      // the last bytes read are the beginning of a line
	timed      bool      // the deadline of the current line is set
	idleTill   time.Time // the read deadline that is set
	readClosed bool      // nothing more can arrive

	drainMu  sync.Mutex // guards draining and the read deadline; never held while writing
	draining bool

	out *outbox
}

// serve answers until the peer leaves, makes an error or is idle for too long, or the server drains. Every line that
// was read is answered before serve returns.
func (c *conn) serve() {
	defer c.server.part(c.net)
	defer func() {
		c.cancel()
		hangUp(c.net)
		c.pending.Wait()
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
		c.cancel() // nobody waits for the answers any more
	}
	c.pending.Wait()
	c.out.flush()
	if errors.Is(err, protocol.ErrLineTooLong) {
		c.linger()
	}
}

// linger reads what a peer is still sending, within bounds. Closing a connection with unread bytes would reset it, and
// the peer might lose the reply that tells the reason.
func (c *conn) linger() {
	if u, ok := c.net.(*net.UnixConn); ok {
		_ = u.CloseWrite() // if the peer is gone, Read tells it
	}
	_ = c.net.SetReadDeadline(time.Now().Add(lingerTime))
	_, _ = io.CopyN(io.Discard, c.net, maxLinger)
}

func (c *conn) loop() error {
	for {
		c.out.waitForRoom()
		c.timed = false
		line, err := c.lines.ReadLine()
		switch {
		case err == nil:
		case errors.Is(err, protocol.ErrLineTooLong):
			c.req = protocol.Request{} // req may still have the request of an earlier line
			c.refuse(nil, &Refusal{Code: protocol.CodeLineTooLong, Advice: "a request line has at most 16384 bytes; this connection ends"})
			return err
		case isTimeout(err) && c.busy() && !c.begun && !c.stopping():
			continue // the peer is idle only because this host is slow to answer
		case isTimeout(err) && c.stopping() && c.closeRead():
			continue // read on, to get the bytes that have arrived
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

// Read sets the read deadline and reads; the line reader reads through it.
func (c *conn) Read(p []byte) (int, error) {
	now := time.Now()
	switch {
	case c.timed: // once per line, or a peer could keep the connection open with single bytes
	case c.begun || !c.greeted:
		c.timed = true
		c.setIdle(now.Add(min(LineTimeout, c.idle)))
	default:
		// Setting a deadline costs more than reading a line. So the deadline stays as long as it is neither too early
		// nor more than a quarter of idle too late.
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
		_ = c.net.SetReadDeadline(till) // fails only on a closed connection, and then Read fails too
	}
}

// drain makes the connection end. Lines that arrive within grace are still answered.
func (c *conn) drain(grace time.Duration) {
	c.drainMu.Lock()
	defer c.drainMu.Unlock()
	c.draining = true
	_ = c.net.SetReadDeadline(time.Now().Add(grace))
}

// closeRead makes sure that nothing more arrives: from then on the peer's writes fail, so no line is accepted from the
// peer and then not answered. Bytes that have arrived can still be read (on Linux; other systems may drop them). Only the
// first call does anything; closeRead reports whether it did.
func (c *conn) closeRead() bool {
	u, ok := c.net.(*net.UnixConn)
	if !ok || c.readClosed {
		return false
	}
	c.readClosed = true
	return errors.Join(u.CloseRead(), u.SetReadDeadline(time.Time{})) == nil
}

func (c *conn) stopping() bool {
	c.drainMu.Lock()
	defer c.drainMu.Unlock()
	return c.draining
}

// busy reports whether lookups are in flight.
func (c *conn) busy() bool { return len(c.slots) > 0 }

// handle answers one line, or begins to. It returns false if the connection ends.
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

// adopt takes this caller's permissions from t, when the connection begins and after each reload. For the admin socket
// no rule applies: the mode of the socket file decides who may use it.
func (c *conn) adopt(t *Terms) {
	c.terms = t
	if c.admin {
		c.permission = permission{unlimited: true}
		return
	}
	c.permission = t.Callers.permission(c.peer.id.UID, c.gid)
}

// updateTerms brings this caller's permissions up to date with the last reload.
func (c *conn) updateTerms() {
	if t := c.server.terms.Load(); t != c.terms {
		c.adopt(t)
	}
}

// lookup answers the current request from memory, or starts its resolution.
func (c *conn) lookup(level resolve.Level) {
	a := &c.ask
	a.reset(level)
	a.Asker.ID = c.peer.id
	if c.server.logsLookups(c.ctx) {
		a.asked = time.Now()
	}
	c.updateTerms()
	refused := a.read(&c.req, &c.terms.Projects)
	if refused == nil {
		refused = c.permission.refuse(&a.Lookup)
	}
	if refused != nil {
		refused.about = a.Project
		c.refuse(c.req.Tag, refused)
		return
	}
	began := c.server.counters.Latency.sample()
	a.begin(c.server.leases)
	// A reload tells clients to forget what the old terms have decided. If a reload has come since c.terms was taken,
	// the revision may include it already, so the answer must not be kept.
	a.keep = a.keep && c.server.terms.Load() == c.terms
	v, ok := c.server.resolver.Recall(&a.Lookup)
	if ok {
		c.reply(c.req.Tag, nil, &a.question, &v, &c.permission)
		c.server.counters.Latency.hit(began)
		return
	}
	a.Asker.For = string(a.label) // only now, because a hit needs no share
	if c.server.resolver.Admit(&a.Lookup) {
		c.miss(a)
		return
	}
	v = resolve.Busy()
	c.reply(c.req.Tag, nil, &a.question, &v, &c.permission)
}

// errMissing ends a connection on which a reply will never come.
var errMissing = errors.New("a reply is missing")

// takeSlot takes the slot of one request in flight. If all slots are taken, it waits until a request has been answered,
// and no more lines are read.
func (c *conn) takeSlot() {
	select {
	case c.slots <- struct{}{}:
	default:
		c.out.flush()
		c.slots <- struct{}{}
	}
}

// answerLater answers the current request in a goroutine, because the answer takes time. Later requests are begun before
// this one is answered.
func (c *conn) answerLater(answer func(tag []byte, place *slot)) {
	c.takeSlot()
	tag := bytes.Clone(c.req.Tag)
	place := c.out.reserve(tag)
	c.pending.Go(func() {
		defer func() {
			<-c.slots
			if p := recover(); p != nil {
				c.server.Panicked(p)
				c.out.abort(errMissing) // ends this connection only
			}
		}()
		answer(tag, place)
	})
}

// miss resolves the lookup in a goroutine.
func (c *conn) miss(a *ask) {
	began := time.Now()
	own := *a
	own.Token = bytes.Clone(a.Token)
	rights, terms := c.permission, c.terms // those at the time of the request: a reload may change the connection's
	c.answerLater(func(tag []byte, place *slot) {
		defer c.server.resolver.Leave(&own.Lookup)
		ctx, cancel := context.WithTimeout(c.ctx, own.deadline)
		defer cancel()
		v := c.server.resolver.Resolve(ctx, &own.Lookup)
		c.renew(&own, &v, terms)
		c.reply(tag, place, &own.question, &v, &rights)
		if !c.server.counters.isOwn(&own.Lookup) {
			c.server.counters.Latency.miss(began)
		}
		c.out.flush()
	})
}

// reply hands over a verdict's line to a caller with these permissions. If too many bytes wait to be sent already, the
// caller gets an unknown verdict.
func (c *conn) reply(tag []byte, place *slot, q *question, v *resolve.Verdict, rights *permission) {
	body, ok := rights.redact(v, c.peer.id, c.server.bodies)
	if !ok {
		*v = resolve.Busy()
	}
	c.out.verdict(tag, place, q, v, body)
}

// refuse hands over the reply to a request that is refused.
func (c *conn) refuse(tag []byte, r *Refusal) {
	c.server.counters.Refused.add(r.Code)
	c.server.log.Debug("request refused", "uid", c.peer.id.User(), "code", string(r.Code))
	c.logRefused(r)
	c.out.refusal(tag, nil, r)
}

// peerWaits reports whether a peer may still read replies after its requests ended with err: after a clean end, or
// because this host stopped reading.
func peerWaits(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, protocol.ErrLineTooLong) || isTimeout(err)
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
