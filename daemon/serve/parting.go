package serve

import (
	"net"
	"time"

	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/protocol"
)

// Replies that a peer has not read yet are in the kernel's memory. They count against
// the limit of this process (MemoryMax=) as long as the peer keeps its end open, even
// after this process has closed its own end.
const (
	// narrowSendBuffer is the size of the send buffer of connections that do not get
	// the system's size (fair.SendBuffers), which is about 220 KiB. With the kernel's
	// overhead it holds about 13 KiB.
	narrowSendBuffer = 4 << 10
	// partingPause is the longest pause between two checks whether a peer has read
	// everything.
	partingPause = time.Second
)

// makeRoom gives the connection the send buffer that it may have.
func (s *Server) makeRoom(c *conn) {
	if c.roomy = s.roomy.Take(c.peer.id); c.roomy {
		return
	}
	if u, ok := c.net.(*net.UnixConn); ok {
		_ = u.SetWriteBuffer(narrowSendBuffer) // fails only on a closed connection
	}
}

// part ends a connection. It returns when the peer has read everything or is gone, or
// when the server stops. Until then the connection keeps its place. Otherwise a peer
// that reads nothing could make the kernel keep more and more.
func (s *Server) part(nc net.Conn) {
	hangUp(nc)
	s.closeWhenRead(nc)
}

func (s *Server) closeWhenRead(nc net.Conn) {
	for pause := time.Millisecond; unread(nc) > 0; pause = min(2*pause, partingPause) {
		select {
		case <-s.stopping:
			_ = nc.Close()
			return
		case <-time.After(pause):
		}
	}
	_ = nc.Close()
}

// hangUp ends both directions. The peer can still read what was sent before.
func hangUp(nc net.Conn) {
	u, ok := nc.(*net.UnixConn)
	if !ok {
		_ = nc.Close()
		return
	}
	_ = u.CloseWrite() // both calls fail only if the peer is gone
	_ = u.CloseRead()
}

// turnAway tells the peer the reason and closes the connection. One small write into
// an empty socket buffer does not block; the deadline is for the case that it does.
//
// Until the peer has read the reason, its writes succeed. If its first request failed
// with EPIPE, some programs, such as those on Node, would read nothing any more.
func (s *Server) turnAway(nc net.Conn, who fair.ID) {
	if !s.notices.Take(who) {
		_ = nc.Close()
		return
	}
	line := appendRefusal(nil, nil, &Refusal{Code: protocol.CodeBusy, RetryAfter: time.Second, Advice: "too many connections"})
	_ = nc.SetWriteDeadline(time.Now().Add(time.Second))
	_, _ = nc.Write(line)
	s.running.Go(func() {
		defer s.notices.Give(who)
		if u, ok := nc.(*net.UnixConn); ok {
			_ = u.CloseWrite() // fails only if the peer is gone
		}
		s.closeWhenRead(nc)
	})
}
