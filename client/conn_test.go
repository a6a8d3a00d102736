package client_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
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

// TestNoTwoConnectionsBeginWithTheSameTag, so that a reply that reaches the wrong
// connection answers no question there.
func TestNoTwoConnectionsBeginWithTheSameTag(t *testing.T) {
	seen := map[string]bool{}
	for range 3 {
		c := daemonFunc(func(_ int, nc net.Conn) {
			if r, err := readRequest(protocol.NewLineReader(nc, protocol.MaxRequestLine)); err == nil {
				seen[r.tag] = true
				_ = accept(nc, r)
			}
			_ = nc.Close()
		}).client(1)
		if a := c.Verify(t.Context(), "a.b.c"); !isAccepted(a) {
			t.Fatal(a)
		}
		_ = c.Close()
	}
	if len(seen) != 3 {
		t.Errorf("three connections begin with %v", seen)
	}
}

// parted is a connection that the daemon has closed after a last word.
type parted struct{ net.Conn }

func (parted) Write([]byte) (int, error) { return 0, syscall.EPIPE }

// TestTheLastWordOfAClosedConnectionIsHeard: the daemon says "busy" and closes the
// connection before the client has sent its question.
func TestTheLastWordOfAClosedConnectionIsHeard(t *testing.T) {
	c := &client.Client{Dial: func(context.Context) (net.Conn, error) {
		near, far := net.Pipe()
		go func() {
			_, _ = far.Write([]byte("ERR busy retry-after=7\n"))
			_ = far.Close()
		}()
		return parted{near}, nil
	}}
	defer c.Close()
	if a, _ := c.Verify(t.Context(), "a.b.c").(client.Unknown); a.Code != protocol.CodeBusy || a.RetryAfter != 7*time.Second {
		t.Errorf("got %v", a)
	}
}

// leaving is a connection whose caller gives up when the reply has come.
type leaving struct {
	net.Conn
	leave func()
}

func (l leaving) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	l.leave()
	return n, err
}

// TestConnectionWhoseCallerLeavesWithTheReplyIsNotUsedAgain: the end of that caller's
// context could still end the next call on it.
func TestConnectionWhoseCallerLeavesWithTheReplyIsNotUsedAgain(t *testing.T) {
	ctx, leave := context.WithCancel(t.Context())
	dials := 0
	pipes := daemonFunc(func(_ int, nc net.Conn) {
		lines := protocol.NewLineReader(nc, protocol.MaxRequestLine)
		for r, err := readRequest(lines); err == nil; r, err = readRequest(lines) {
			_ = accept(nc, r)
		}
	}).client(1)
	c := &client.Client{Keep: -1, Dial: func(ctx context.Context) (net.Conn, error) {
		dials++
		nc, err := pipes.Dial(ctx)
		return leaving{nc, leave}, err
	}}
	defer c.Close()
	for _, ctx := range []context.Context{ctx, t.Context()} {
		if a := c.Verify(ctx, "a.b.c"); !isAccepted(a) {
			t.Fatal(a)
		}
	}
	if dials != 2 {
		t.Errorf("%d connections for two callers", dials)
	}
}
