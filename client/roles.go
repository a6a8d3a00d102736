package client

import (
	"context"
	"errors"
	"os"
	"runtime"
	"slices"
	"syscall"
	"time"
)

// maxFlushes is how many writes a call does in a row; what has gathered by
// then goes out on a goroutine that ends with the last byte, so that no call
// is kept from its own reply by the requests of others.
const maxFlushes = 2

// Functions whose names end in Locked are called with the lock and return with
// it. Those here give it up while they wait for the kernel or for other calls.

// ask sends the question and returns the reply line, a copy.
func (c *conn) ask(ctx context.Context, end time.Time, q *question) ([]byte, error) {
	c.mu.Lock()
	w, err := c.enqueueLocked(q, end)
	if err != nil {
		c.mu.Unlock()
		return nil, err
	}
	switch {
	case w.busy && c.readyLocked():
		err = c.exchangeLocked(ctx, w)
	case w.busy:
		err = c.flushLocked(ctx, w)
	}
	for !w.done && err == nil {
		if w.lead {
			err = c.readLocked(ctx, w)
		} else {
			err = c.waitLocked(ctx, w)
		}
	}
	if w.watch != nil {
		w.watch()
	}
	if !w.done { // its time is over or its context has ended
		c.leaveLocked(w, errors.Is(err, context.DeadlineExceeded))
		c.mu.Unlock()
		return nil, err
	}
	c.passLocked(w)
	line, err := w.line, w.err
	c.releaseLocked(w)
	c.settleLocked()
	c.mu.Unlock()
	return line, err
}

// watchLocked wakes w's reads and writes when its context ends. Should this run
// late, when another call reads or writes, that one finds its own time not over
// and goes on.
func (c *conn) watchLocked(ctx context.Context, w *call) {
	if w.watch != nil || ctx.Done() == nil {
		return
	}
	w.watch = context.AfterFunc(ctx, func() {
		past := time.Unix(1, 0)
		_ = c.nc.SetWriteDeadline(past)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.alarm = past // so that nobody puts it off before the reader has heard it
		_ = c.nc.SetReadDeadline(past)
	})
}

// flushLocked writes what is in line. The writer role is w's. It passes to a
// goroutine when w has written for others long enough, and when w has to go, in
// which case there is an error: half a line cannot be taken back, and the rest
// of what it has begun to write may be of others, whose time is not over.
func (c *conn) flushLocked(ctx context.Context, w *call) error {
	c.watchLocked(ctx, w)
	if !c.aloneLocked() {
		// Those whose replies came in one read are about to ask again: let
		// them join this write.
		c.mu.Unlock()
		runtime.Gosched()
		c.mu.Lock()
	}
	var rest []byte
	var err error
	for n := 0; len(c.out) > 0 && c.err == nil && err == nil && n < maxFlushes; n++ {
		rest, err = c.writeLocked(ctx, w.end)
	}
	if c.writing = len(rest)+len(c.out) > 0 && c.err == nil; c.writing {
		go c.flushRest(rest)
	}
	w.busy = false
	c.leadLocked(w)
	return err
}

// flushRest is flushLocked for requests whose callers already wait for replies
// or have left. A connection that does not take them while anybody waits, nor
// within a second, is dead.
func (c *conn) flushRest(rest []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	least := time.Now().Add(DefaultTimeout)
	for c.err == nil {
		if len(rest) > 0 {
			c.out = slices.Concat(rest, c.out)
		}
		if len(c.out) == 0 {
			break
		}
		var late error
		rest, late = c.writeLocked(context.Background(), c.patienceLocked(least))
		if late != nil && !time.Now().Before(c.patienceLocked(least)) {
			c.failLocked(c.brokeLocked(os.ErrDeadlineExceeded))
		}
	}
	c.writing = false
}

// patienceLocked is when the last of those who wait must have returned, or least
// if that is later.
func (c *conn) patienceLocked(least time.Time) time.Time {
	for _, w := range c.calls {
		if w != nil && w.end.After(least) {
			least = w.end
		}
	}
	return least
}

// writeLocked does one write. When end comes or ctx ends first, it returns what
// is left and why. A connection that breaks is none of the caller's errors.
func (c *conn) writeLocked(ctx context.Context, end time.Time) (rest []byte, err error) {
	if !c.pen.TryLock() { // it is an exchange that has it, and not for long
		c.mu.Unlock()
		c.pen.Lock()
		c.mu.Lock()
	}
	batch := c.takeOutLocked()
	c.mu.Unlock()
	rest, err = c.write(ctx, batch, end)
	c.pen.Unlock()
	c.mu.Lock()
	switch {
	case len(rest) > 0:
		return rest, err
	case errors.Is(err, syscall.EPIPE):
		// The daemon has closed the connection, perhaps with a last word:
		// whoever reads finds out.
		c.closed.Store(true)
		c.out = nil
	case err != nil:
		c.failLocked(c.brokeLocked(err))
	case cap(batch) <= keepBuffer:
		c.spare = batch
	}
	return nil, nil
}

// takeOutLocked takes what has gathered, for a write.
func (c *conn) takeOutLocked() []byte {
	batch := c.out
	c.out, c.spare = c.spare[:0], nil
	return batch
}

// write writes the batch, until end or until ctx ends; there is a rest only
// then. Setting a deadline costs as much as a small system call, so one that is
// set already and earlier stays: when it comes, the write goes on under the
// right one.
func (c *conn) write(ctx context.Context, batch []byte, end time.Time) (rest []byte, err error) {
	if c.writeEnd.After(end) || c.writeEnd.IsZero() {
		c.writeEnd = end
		_ = c.nc.SetWriteDeadline(end)
	}
	for {
		if ctx.Err() != nil { // also if the deadline of its end has just been put off
			c.writeEnd = time.Time{}
			return batch, ctx.Err()
		}
		n, err := c.nc.Write(batch)
		batch = batch[n:]
		switch {
		case len(batch) == 0:
			return nil, nil
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return nil, err
		case !time.Now().Before(end):
			c.writeEnd = time.Time{}
			return batch, context.DeadlineExceeded
		}
		c.writeEnd = end
		_ = c.nc.SetWriteDeadline(end)
	}
}

// readLocked reads replies until w's own has come. It returns an error only
// when w's time is over or its context has ended; that the connection broke is
// in w.
func (c *conn) readLocked(ctx context.Context, w *call) error {
	c.watchLocked(ctx, w)
	c.alarmLocked(w.end)
	for !w.done {
		if err := ctx.Err(); err != nil {
			return err
		}
		c.mu.Unlock()
		line, err := c.lines.ReadLine()
		c.mu.Lock()
		switch {
		case err == nil:
			c.deliverAllLocked(line)
		case errors.Is(err, os.ErrDeadlineExceeded):
			if c.ringLocked(); w.late {
				return context.DeadlineExceeded
			}
		default:
			c.failLocked(c.brokeLocked(err))
		}
	}
	return nil
}

// alarmLocked sees to it that the reader wakes at end, or before. Setting a
// deadline costs as much as a small system call, so an earlier one stays, even
// if the call that it was for has gone: when it comes, ringLocked sets another.
func (c *conn) alarmLocked(end time.Time) {
	if c.alarm.IsZero() || end.Before(c.alarm) {
		c.alarm = end
		_ = c.nc.SetReadDeadline(end)
	}
}

// ringLocked tells the calls whose time is over, and sets the alarm for the
// first of the others.
func (c *conn) ringLocked() {
	c.alarm = time.Time{}
	now := time.Now()
	for _, w := range c.calls {
		switch {
		case w == nil || w.busy: // a writer watches its own time
		case now.Before(w.end):
			c.alarmLocked(w.end)
		default:
			w.late = true
			w.signal()
		}
	}
}

// deliverAllLocked hands on the line just read and those that came with it.
func (c *conn) deliverAllLocked(line []byte) {
	c.company = 0
	c.deliverLocked(line)
	for c.err == nil && c.lines.Buffered() {
		line, err := c.lines.ReadLine()
		if err != nil {
			c.failLocked(c.brokeLocked(err))
			return
		}
		c.company++
		c.deliverLocked(line)
	}
}

// aloneLocked reports whether the call at hand has the connection to itself.
// Callers whose replies came with the last one are as good as there.
func (c *conn) aloneLocked() bool {
	return c.load.Load() == 1 && c.company == 0
}

// waitLocked blocks until something happened to w that it must look at.
func (c *conn) waitLocked(ctx context.Context, w *call) error {
	c.alarmLocked(w.end)
	c.mu.Unlock()
	var err error
	if gone := ctx.Done(); gone == nil {
		<-w.wake
	} else {
		select {
		case <-w.wake:
		case <-gone:
			err = ctx.Err()
		}
	}
	c.mu.Lock()
	if w.late && err == nil {
		err = context.DeadlineExceeded
	}
	return err
}
