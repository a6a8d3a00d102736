package client_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/protocol"
)

// TestQuestionLargerThanTheSocketsRoomArrivesWhole: one caller asks a daemon
// that begins to read only after the socket's buffer is full.
func TestQuestionLargerThanTheSocketsRoomArrivesWhole(t *testing.T) {
	read := make(chan struct{})
	path := listen(t, func(nc net.Conn) {
		<-read
		lines := protocol.NewLineReader(nc, protocol.MaxRequestLine)
		for {
			r, err := readRequest(lines)
			if err != nil {
				return
			}
			_ = accept(nc, r)
		}
	})
	c := &client.Client{Timeout: testTimeout, Dial: func(context.Context) (net.Conn, error) {
		nc, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
		if err != nil {
			return nil, err
		}
		return nc, nc.SetWriteBuffer(1)
	}}
	defer c.Close()
	token := strings.Repeat("t", protocol.MaxToken)
	time.AfterFunc(10*time.Millisecond, func() { close(read) })
	for range 3 {
		a, ok := c.Verify(t.Context(), token).(client.Accepted)
		if !ok || a.Subject != token {
			t.Fatalf("got %v", a)
		}
	}
}

// TestPeerThatTakesQuestionsButAnswersNoMore: the daemon half-closes its
// connection after the first answer. The next call may not notice this in time
// to ask again on another connection; its answer is then unknown, and the call
// after it uses another connection.
func TestPeerThatTakesQuestionsButAnswersNoMore(t *testing.T) {
	ended := make(chan struct{}, 2)
	path := listen(t, func(nc net.Conn) {
		lines := protocol.NewLineReader(nc, protocol.MaxRequestLine)
		r, err := readRequest(lines)
		if err != nil {
			return
		}
		_ = accept(nc, r)
		_ = nc.(*net.UnixConn).CloseWrite()
		ended <- struct{}{}
		_, _ = lines.ReadLine() // takes one more question
		_, _ = lines.ReadLine()
	})
	c := &client.Client{Socket: path, Conns: 1, Timeout: testTimeout}
	defer c.Close()
	if a := c.Verify(t.Context(), "a.b.c"); !isAccepted(a) {
		t.Fatal(a)
	}
	<-ended
	a := c.Verify(t.Context(), "a.b.c", client.Deadline(50*time.Millisecond))
	if u, ok := a.(client.Unknown); !isAccepted(a) && (!ok || !errors.Is(u.Err, context.DeadlineExceeded)) {
		t.Fatal(a)
	}
	if a := c.Verify(t.Context(), "a.b.c"); !isAccepted(a) {
		t.Fatal(a)
	}
}

// TestConnectionThatDiedUnusedIsReplaced: the call that made the connection was
// cancelled before it asked, and the daemon then closed the connection.
func TestConnectionThatDiedUnusedIsReplaced(t *testing.T) {
	var connections atomic.Int32
	end, ended := make(chan struct{}), make(chan struct{})
	path := listen(t, func(nc net.Conn) {
		if connections.Add(1) == 1 {
			<-end
			_ = nc.Close()
			close(ended)
			return
		}
		answerAccepted(nc)
	})
	ctx, leave := context.WithCancel(t.Context())
	c := &client.Client{Timeout: testTimeout, Dial: func(context.Context) (net.Conn, error) {
		nc, err := net.Dial("unix", path)
		leave()
		return nc, err
	}}
	defer c.Close()
	if u, ok := c.Verify(ctx, "a.b.c").(client.Unknown); !ok || !errors.Is(u.Err, context.Canceled) {
		t.Errorf("the call that left got %v", u)
	}
	close(end)
	<-ended
	if a := c.Verify(t.Context(), "a.b.c"); !isAccepted(a) {
		t.Error(a)
	}
}
