package client

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
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
	if c.last != 0 || c.load.Load() != 0 || c.closed.Load() {
		t.Errorf("%d questions sent, load %d, closed %t", c.last, c.load.Load(), c.closed.Load())
	}
}

// TestLoneQuestionOfACallerThatHasLeftIsNotSent: its context ends after the
// question has its tag.
func TestLoneQuestionOfACallerThatHasLeftIsNotSent(t *testing.T) {
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
		f.Close()
		defer ends[i].Close()
	}
	c := newConn(ends[0])
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
		line, _ := protocol.NewLineReader(ends[1], protocol.MaxRequestLine).ReadLine()
		_, _ = ends[1].Write(append(line[:3:3], "OK\n"...))
	}()
	c.load.Add(1)
	line, err := c.ask(t.Context(), end, q)
	if string(line) != "@2 OK" || err != nil {
		t.Errorf("the next question got %q, %v", line, err)
	}
}
