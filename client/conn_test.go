package client

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/neonauthd/neonauthd/protocol"
)

func TestQuestionWithoutTimeIsNotSent(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	c := newConn(near)
	defer c.fail(ErrClosed)
	c.load.Add(1) // as the pool does
	_, err := c.ask(t.Context(), time.Now(), &question{verb: protocol.VERIFY, token: "a.b.c"})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if c.last != 0 || c.load.Load() != 0 || c.closed.Load() || !c.rested {
		t.Errorf("%d questions sent, load %d, closed %t, rested %t", c.last, c.load.Load(), c.closed.Load(), c.rested)
	}
}

// TestLoneQuestionOfACallerThatHasLeftIsNotSent: its context ends after the
// question has its tag.
func TestLoneQuestionOfACallerThatHasLeftIsNotSent(t *testing.T) {
	near, far := socketPair(t)
	c := newConn(near)
	defer c.fail(ErrClosed)
	gone, leave := context.WithCancel(t.Context())
	leave()
	q := &question{verb: protocol.PING}
	end := time.Now().Add(time.Minute)
	c.load.Add(1) // as the pool does
	if _, err := c.ask(gone, end, q); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if len(c.calls) != 0 || c.load.Load() != 0 || c.closed.Load() || c.writing || c.reading {
		t.Errorf("%d calls, load %d, closed %t, writing %t, reading %t", len(c.calls), c.load.Load(), c.closed.Load(), c.writing, c.reading)
	}
	go func() {
		line, _ := protocol.NewLineReader(far, protocol.MaxRequestLine).ReadLine()
		_, _ = far.Write(append(line[:3:3], "OK\n"...))
	}()
	c.load.Add(1)
	line, err := c.ask(t.Context(), end, q)
	if string(line) != "@2 OK" || err != nil {
		t.Errorf("the next question got %q, %v", line, err)
	}
}

func socketPair(t *testing.T) (near, far net.Conn) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	var ends [2]net.Conn
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "end")
		if ends[i], err = net.FileConn(f); err != nil {
			t.Fatal(err)
		}
		_ = f.Close()
		t.Cleanup(func() { _ = ends[i].Close() })
	}
	return ends[0], ends[1]
}

// TestEndOfAContextIsHeardBeforeAWrite: the peer reads nothing, and the deadline
// that the context's end has set is replaced by that of the write.
func TestEndOfAContextIsHeardBeforeAWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		c := newConn(near)
		defer c.fail(ErrClosed)
		gone, leave := context.WithCancel(t.Context())
		leave()
		begun := time.Now()
		c.load.Add(1) // as the pool does
		_, err := c.ask(gone, begun.Add(2*time.Second), &question{verb: protocol.PING})
		if took := time.Since(begun); took > 0 || !errors.Is(err, context.Canceled) {
			t.Errorf("got %v after %s", err, took)
		}
	})
}

// TestWriteThatFailsIsNoReasonToWait: only a peer that has closed may have left
// a last word.
func TestWriteThatFailsIsNoReasonToWait(t *testing.T) {
	near, _ := socketPair(t)
	c := newConn(near)
	defer c.fail(ErrClosed)
	unwritable, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer unwritable.Close()
	c.exchange.raw = descriptor{fd: unwritable.Fd()}
	c.load.Add(1)
	_, err = c.ask(t.Context(), time.Now().Add(time.Minute), &question{verb: protocol.PING})
	if b, ok := errors.AsType[*broken](err); !ok || !errors.Is(b.cause, syscall.EBADF) {
		t.Errorf("got %v", err)
	}
}

// descriptor calls back at once.
type descriptor struct {
	syscall.RawConn
	fd uintptr
}

func (d descriptor) Read(f func(fd uintptr) (done bool)) error {
	if !f(d.fd) {
		return errors.New("wants to wait")
	}
	return nil
}
