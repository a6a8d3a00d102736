package client

import (
	"context"
	"errors"
	"os"
	"runtime"
	"syscall"
	"time"
)

// maxFlushes is how many writes a call does in a row; what has gathered by
// then goes out on a goroutine that ends with the last byte, so that no call
// is kept from its own reply by the requests of others.
const maxFlushes = 2

// ask sends the question and returns the reply line, a copy.
func (c *conn) ask(ctx context.Context, end time.Time, q *question) ([]byte, error) {
	w, write, err := c.enqueue(q, end)
	if err != nil {
		return nil, err
	}
	if write {
		c.flush(w, end)
	}
	for {
		c.mu.Lock()
		if w.done {
			return c.finishLocked(w)
		}
		lead := w.lead
		c.mu.Unlock()
		if lead {
			err = c.read(ctx, end, w)
		} else {
			err = c.wait(ctx, end, w)
		}
		if err != nil {
			return c.leave(w, err)
		}
	}
}

// finishLocked releases a call that is done, and the lock.
func (c *conn) finishLocked(w *call) ([]byte, error) {
	c.passLocked(w)
	line, err := w.line, w.err
	c.releaseLocked(w)
	c.settleLocked()
	c.mu.Unlock()
	return line, err
}

// leave gives up on a call because its time is over or its context ended,
// unless the reply came at the last moment.
func (c *conn) leave(w *call, cause error) ([]byte, error) {
	c.mu.Lock()
	if w.done {
		return c.finishLocked(w)
	}
	defer c.mu.Unlock()
	c.leaveLocked(w, errors.Is(cause, context.DeadlineExceeded))
	return nil, cause
}

// flush writes what is in line. The writer role is the caller's.
func (c *conn) flush(w *call, end time.Time) {
	if c.load.Load() > 1 {
		// Others are on this connection. Those whose replies came in one
		// read are about to ask again: let them join this write.
		runtime.Gosched()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for n := 0; len(c.out) > 0 && c.err == nil; n++ {
		if n == maxFlushes {
			go c.flushRest(time.Now().Add(DefaultTimeout))
			w.busy = false
			c.leadLocked(w)
			return
		}
		c.writeLocked(end)
	}
	c.writing, w.busy = false, false
	c.leadLocked(w)
}

// flushRest is flush for requests whose callers already wait for replies.
func (c *conn) flushRest(end time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.out) > 0 && c.err == nil {
		c.writeLocked(end)
	}
	c.writing = false
}

// writeLocked does one write, without the lock. A write that is not complete
// in time ends the connection: half a line cannot be taken back.
func (c *conn) writeLocked(end time.Time) {
	batch := c.out
	c.out, c.spare = c.spare[:0], nil
	c.mu.Unlock()
	err := c.write(batch, end)
	c.mu.Lock()
	if errors.Is(err, syscall.EPIPE) {
		// The daemon has closed the connection, perhaps with a last word:
		// whoever reads finds out.
		c.closed.Store(true)
		c.out = nil
		return
	}
	if err != nil {
		c.failLocked(c.brokeLocked(err))
		return
	}
	if cap(batch) <= keepBuffer {
		c.spare = batch
	}
}

// write writes all of batch or fails, at the latest at end. Setting a deadline
// costs as much as a small system call, so one that is set already and earlier
// stays: when it comes, the write goes on under the right one.
func (c *conn) write(batch []byte, end time.Time) error {
	if c.writeEnd.After(end) || c.writeEnd.IsZero() {
		c.writeEnd = end
		_ = c.nc.SetWriteDeadline(end)
	}
	for {
		n, err := c.nc.Write(batch)
		if !errors.Is(err, os.ErrDeadlineExceeded) || !time.Now().Before(end) {
			return err
		}
		batch = batch[n:]
		c.writeEnd = end
		_ = c.nc.SetWriteDeadline(end)
	}
}

// read reads replies until w's own has come. It returns an error only when w's
// time is over or its context has ended; that the connection broke is in w.
func (c *conn) read(ctx context.Context, end time.Time, w *call) error {
	if ctx.Done() != nil {
		// Wake the read when the context ends. Should this run late, after
		// another call has become the reader, that one finds its own time
		// not over and reads on.
		stop := context.AfterFunc(ctx, func() { _ = c.nc.SetReadDeadline(time.Unix(1, 0)) })
		defer stop()
	}
	// As in write: an earlier deadline stays, and when it comes without being
	// this call's, reading goes on under the right one.
	if c.readEnd.After(end) || c.readEnd.IsZero() {
		c.readEnd = end
		_ = c.nc.SetReadDeadline(end)
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		line, err := c.lines.ReadLine()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			if !time.Now().Before(end) {
				return context.DeadlineExceeded
			}
			c.readEnd = end
			_ = c.nc.SetReadDeadline(end)
			continue
		}
		if c.readerDone(line, err, w) {
			return nil
		}
	}
}

// readerDone hands on the line just read and those that came with it, and
// tells whether w has what it waits for.
func (c *conn) readerDone(line []byte, err error, w *call) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for err == nil && c.err == nil {
		c.deliverLocked(line)
		if !c.lines.Buffered() {
			break
		}
		line, err = c.lines.ReadLine()
	}
	if err != nil {
		c.failLocked(c.brokeLocked(err))
	}
	return w.done
}

// wait blocks until something happened to w that it must look at.
func (c *conn) wait(ctx context.Context, end time.Time, w *call) error {
	left := time.Until(end)
	if w.timer == nil {
		w.timer = time.NewTimer(left)
	} else {
		w.timer.Reset(left)
	}
	defer w.timer.Stop()
	select {
	case <-w.wake:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-w.timer.C:
		return context.DeadlineExceeded
	}
}
