package client

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/neonauthd/neonauthd/protocol"
)

const (
	// maxInFlight is how many requests one connection may carry. The daemon
	// stops reading at 256 by default; staying at half of that keeps every
	// write short.
	maxInFlight = 128

	// maxAbandoned is how many replies that nobody waits for any more a
	// connection may owe before new calls avoid it.
	maxAbandoned = 64

	// minSilence is how long a connection must have brought nothing before it
	// is given up as dead. Callers in more of a hurry than the daemon must not
	// cost the others their connection.
	minSilence = 20 * time.Millisecond

	// keepBuffer is the largest write buffer kept between two writes.
	keepBuffer = 64 << 10
)

// conn is one connection that many calls share. It has no goroutine of its
// own. The calls do the work, in two roles, each held by one call at a time:
//
//   - the writer sends everything that has gathered in out, its own request
//     and those of calls that came while it was at it, in one write;
//   - the reader reads replies and hands them to the calls they belong to
//     until its own has come; then it passes the role to a call still waiting.
//
// A lone caller takes both roles, in an exchange, and meets no channel, no timer
// and no other goroutine. The time of all who wait is kept by one of them:
// the reader wakes when the first is over and tells whom it concerns. A reply
// that comes after its call has left is read and dropped by whoever reads next:
// its tag is kept as a tombstone.
type conn struct {
	nc       net.Conn
	lines    *protocol.LineReader // touched by the reader only
	exchange exchange             // touched by the reader only
	pen      sync.Mutex           // held while writing; never waited for under mu
	writeEnd time.Time            // write deadline as set, under pen

	load    atomic.Int32 // calls on it, chosen by the pool, waiting or abandoned
	closed  atomic.Bool  // takes no new calls: failed or retired
	renewed atomic.Bool  // its breaking has been answered by pool.renew

	mu        sync.Mutex
	alarm     time.Time        // read deadline as set: no call that waits ends before it
	err       error            // why it failed, nil while it works
	last      uint64           // the latest tag given out
	heard     uint64           // reply lines read so far
	company   int              // replies that came with the one read last
	rested    bool             // it was left unused, and may have died since
	calls     map[uint64]*call // by tag; nil: abandoned, its reply is to be dropped
	abandoned int
	out       []byte // requests not yet handed to a write
	spare     []byte // the buffer of the previous write
	writing   bool
	reading   bool
	free      []*call // for reuse
}

// call is one question under way. All fields are guarded by conn.mu.
type call struct {
	tag   uint64
	heard uint64        // conn.heard when it was asked
	begun time.Time     // when it was asked
	end   time.Time     // when it must have returned
	watch func() bool   // ends the watch on its context; nil: there is none
	wake  chan struct{} // capacity 1: something below has changed, or end has come
	line  []byte        // the reply, a copy that the call owns
	err   error         // why there will be none
	done  bool          // line or err is set, and the connection has forgotten the call
	late  bool          // its time is over
	lead  bool          // it holds the read role
	busy  bool          // it is writing, and cannot read until that is done
}

func newConn(nc net.Conn) *conn {
	c := &conn{nc: nc, calls: make(map[uint64]*call)}
	c.lines = protocol.NewLineReader(c, protocol.MaxReplyLine)
	c.allowExchange()
	return c
}

// enqueueLocked gives the question a tag and puts it in line. When nobody is
// writing, the call becomes the writer; otherwise a flush is in progress and
// takes the question along. It fails, having sent nothing, when the connection
// takes no more calls, and when the time is over before it has begun.
func (c *conn) enqueueLocked(q *question, end time.Time) (*call, error) {
	if c.closed.Load() {
		c.load.Add(-1)
		return nil, errNoConn
	}
	now := time.Now()
	if !now.Before(end) {
		c.load.Add(-1)
		c.rested = c.rested || c.last == 0
		return nil, context.DeadlineExceeded
	}
	before := len(c.out)
	c.out = q.append(c.out, c.last+1, end.Sub(now))
	if len(c.out)-before > protocol.MaxRequestLine {
		c.out = c.out[:before]
		c.load.Add(-1)
		return nil, errTooLong
	}
	c.last++
	w := c.takeCallLocked()
	w.tag, w.heard, w.begun, w.end = c.last, c.heard, now, end
	c.calls[w.tag] = w
	if c.writing {
		c.leadLocked(w)
	} else {
		c.writing, w.busy = true, true
	}
	return w, nil
}

func (c *conn) takeCallLocked() *call {
	n := len(c.free)
	if n == 0 {
		return &call{wake: make(chan struct{}, 1)}
	}
	w := c.free[n-1]
	c.free = c.free[:n-1]
	return w
}

// releaseLocked takes back a call that is done and that nobody else knows.
func (c *conn) releaseLocked(w *call) {
	select {
	case <-w.wake: // a signal that came too late to be needed
	default:
	}
	*w = call{wake: w.wake}
	c.free = append(c.free, w)
}

// leadLocked gives w the read role if it is free.
func (c *conn) leadLocked(w *call) {
	if !c.reading && !w.done {
		c.reading, w.lead = true, true
	}
}

// passLocked takes the read role from w and gives it to a call that waits.
func (c *conn) passLocked(w *call) {
	if !w.lead {
		return
	}
	w.lead, c.reading = false, false
	if c.abandoned == len(c.calls) {
		return // nobody waits
	}
	for _, other := range c.calls {
		// Not to the writer: the daemon may be unable to read on, and the
		// write to end, before somebody reads its replies.
		if other != nil && other != w && !other.busy {
			c.leadLocked(other)
			other.signal()
			return
		}
	}
}

func (w *call) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// deliverLocked hands a reply line to its call.
func (c *conn) deliverLocked(line []byte) {
	c.heard++
	tag, ok := tagOf(line)
	if !ok {
		c.failLocked(untagged(line))
		return
	}
	w, ok := c.calls[tag]
	if !ok {
		c.failLocked(garbled("tag of no request"))
		return
	}
	delete(c.calls, tag)
	c.load.Add(-1)
	if w == nil {
		c.abandoned--
		return
	}
	w.line, w.done = bytes.Clone(line), true
	if !w.lead { // the reader sees for itself
		w.signal()
	}
}

// untagged reads a line without one of our tags. An ERR is the daemon's word
// about the whole connection ("busy" on one too many); anything else has no
// place here.
func untagged(line []byte) error {
	var r protocol.Reply
	if err := protocol.ParseReply(line, &r); err != nil || len(r.Tag) > 0 || r.Status != protocol.ERR {
		return garbled("reply to no request")
	}
	return replyError(&r)
}

// failLocked ends the connection and every call on it with err.
func (c *conn) failLocked(err error) {
	if c.err != nil {
		return
	}
	c.err = err
	c.closed.Store(true)
	_ = c.nc.Close()
	for tag, w := range c.calls {
		delete(c.calls, tag)
		if w != nil {
			w.err, w.done = err, true
			w.signal()
		}
	}
	c.load.Store(0)
	c.out, c.spare = nil, nil
}

func (c *conn) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failLocked(err)
}

// over reports whether the connection has ended.
func (c *conn) over() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err != nil
}

// retire lets the calls on it finish and takes no new ones.
func (c *conn) retire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.retireLocked()
}

func (c *conn) retireLocked() {
	c.closed.Store(true)
	c.settleLocked()
}

// settleLocked closes a retired connection on which nobody waits any more.
func (c *conn) settleLocked() {
	if c.closed.Load() && c.abandoned == len(c.calls) {
		c.failLocked(errNoConn)
	}
}

// leaveLocked ends w's interest in its reply.
func (c *conn) leaveLocked(w *call, timedOut bool) {
	if !w.done {
		c.calls[w.tag] = nil
		c.abandoned++
	}
	c.passLocked(w)
	silent := timedOut && c.heard == w.heard && w.end.Sub(w.begun) >= minSilence
	if silent || c.abandoned > maxAbandoned {
		c.closed.Store(true)
	}
	c.settleLocked()
}

// brokeLocked says how a read or write error is to be understood by calls.
func (c *conn) brokeLocked(err error) error {
	if errors.Is(err, protocol.ErrLineTooLong) {
		return garbled("reply line is too long")
	}
	b := &broken{cause: errors.Unwrap(err)}
	if b.cause == nil {
		b.cause = err
	}
	partial := errors.Is(err, io.ErrUnexpectedEOF)
	b.stalled = errors.Is(err, os.ErrDeadlineExceeded)
	b.idle = (c.heard > 0 || c.rested) && !partial && !b.stalled
	return b
}
