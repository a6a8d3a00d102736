package client

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"syscall"
)

// exchange is the way of a call that is alone on its connection: it writes its
// question and then waits for the reply, without looking first whether that is
// there already. It never is, and looking costs a system call.
//
// What it does not notice is a peer that had ended its replies before, but still
// takes questions: the call waits until the peer closes for good or its time is
// over. neonauthd does not do that.
//
// The reader's role guards all of it.
type exchange struct {
	raw  syscall.RawConn       // nil: this kind of connection allows no exchange
	step func(fd uintptr) bool // conn.step, made once
	send []byte                // what is to be written first, under conn.pen; nil: nothing
	into []byte                // what to read into
	n    int                   // bytes read
	err  error                 // of the reading
}

// allowExchange readies c for exchanges if the kernel itself reads and writes
// its connection: what wraps one must not be passed by.
func (c *conn) allowExchange() {
	var raw syscall.RawConn
	var err error
	switch nc := c.nc.(type) {
	case *net.UnixConn:
		raw, err = nc.SyscallConn()
	case *net.TCPConn:
		raw, err = nc.SyscallConn()
	default:
		return
	}
	if err == nil {
		c.exchange.raw, c.exchange.step = raw, c.step
	}
}

// readyLocked reports whether the call that has become the writer can have an
// exchange. It has the pen then.
func (c *conn) readyLocked() bool {
	return c.exchange.raw != nil && c.aloneLocked() && !c.reading && c.pen.TryLock()
}

// exchangeLocked sends w's question and reads up to its reply. w gives up the
// writer's role for the reader's: a call that comes meanwhile writes as soon as
// the question is out, for which the kernel does not wait.
func (c *conn) exchangeLocked(ctx context.Context, w *call) error {
	batch := c.takeOutLocked()
	c.exchange.send = batch
	c.writing, w.busy = false, false
	c.leadLocked(w)
	err := c.readLocked(ctx, w)
	if c.exchange.send != nil { // there was no time to send it
		c.sent()
		c.withdrawLocked(w, err)
	}
	if c.spare == nil && c.err == nil && cap(batch) <= keepBuffer {
		c.spare = batch
	}
	return err
}

// withdrawLocked ends a call whose question has not been sent.
func (c *conn) withdrawLocked(w *call, err error) {
	if !w.done {
		delete(c.calls, w.tag)
		c.load.Add(-1)
		w.err, w.done = err, true
		c.rested = true
	}
}

// sent ends the writing of an exchange.
func (c *conn) sent() {
	c.exchange.send = nil
	c.pen.Unlock()
}

// Read reads from the connection, after it has written what an exchange has to
// send. It is the source of c.lines.
func (c *conn) Read(p []byte) (int, error) {
	x := &c.exchange
	if x.send == nil {
		return c.nc.Read(p)
	}
	x.into, x.n, x.err = p, 0, nil
	if err := x.raw.Read(x.step); err != nil {
		return 0, err
	}
	if x.send == nil {
		return x.n, x.err
	}
	c.handOver()
	return c.nc.Read(p)
}

// handOver leaves it to a writer to send what the kernel did not take at once.
func (c *conn) handOver() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out = slices.Concat(c.exchange.send, c.out) // writers take it after c.pen
	c.sent()
	if !c.writing && c.err == nil {
		c.writing = true
		go c.flushRest(nil)
	}
}

// step is called once at first, and again whenever something may have arrived,
// until it returns true. It must not wait for c.mu: who holds that may be
// waiting, in Close, for this to end.
func (c *conn) step(fd uintptr) bool {
	x := &c.exchange
	if x.send != nil {
		n, err := syscall.Write(int(fd), x.send)
		switch {
		case n == len(x.send):
			c.sent()
			return false
		case err == nil, errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.EINTR):
			x.send = x.send[max(n, 0):]
			return true
		}
		c.closed.Store(true)
		c.sent()
		if !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
			x.err = err
			return true
		}
		// The daemon has closed the connection, perhaps with a last word.
	}
	for {
		n, err := syscall.Read(int(fd), x.into)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EAGAIN):
			return false
		case n == 0 && err == nil:
			err = io.EOF
		}
		x.n, x.err = max(n, 0), err
		return true
	}
}
