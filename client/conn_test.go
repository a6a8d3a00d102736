package client

import (
	"context"
	"errors"
	"net"
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
