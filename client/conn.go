package client

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"syscall"
	"time"

	"github.com/neonauthd/neonauthd/protocol"
)

// conn is one connection to the daemon. It carries one question at a time, and
// is used again only after a whole reply has come and nothing beside it.
type conn struct {
	nc    net.Conn
	lines *protocol.LineReader
	out   []byte      // the request line, kept for its memory
	tag   uint64      // of the latest question
	idle  bool        // it lay unused before this question, and may have died since
	since time.Time   // when it became idle
	spent bool        // it can serve no other question
	stay  func() bool // ends that it is closed with the context open
}

// newConn returns a connection that ends with the context, if not before. Its
// tags begin anywhere: those of another connection are not its own, should
// replies ever go astray.
func newConn(open context.Context, nc net.Conn) *conn {
	c := &conn{nc: nc, lines: protocol.NewLineReader(nc, protocol.MaxReplyLine), tag: rand.Uint64()}
	c.stay = context.AfterFunc(open, func() { _ = nc.Close() })
	return c
}

func (c *conn) close() {
	c.stay()
	_ = c.nc.Close()
}

// ask sends the question and returns the reply line without its tag, a copy. The
// context has a deadline. The tag is what makes a reply that comes twice, or too
// late, fit no other question.
func (c *conn) ask(ctx context.Context, q *question) ([]byte, error) {
	end, _ := ctx.Deadline()
	left := time.Until(end)
	c.tag++
	c.out = q.append(c.out[:0], c.tag, left)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case left <= 0:
		return nil, context.DeadlineExceeded
	case len(c.out) > protocol.MaxRequestLine:
		return nil, errTooLong
	}
	c.spent = true // until the reply has come
	stop := context.AfterFunc(ctx, func() { _ = c.nc.SetDeadline(time.Unix(1, 0)) })
	line, err := c.exchange()
	intime := stop() // if not, the connection's deadline is over, or will be
	reply, mine := bytes.CutPrefix(line, c.out[:bytes.IndexByte(c.out, ' ')+1])
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, protocol.ErrLineTooLong):
		return nil, garbled("reply line is too long")
	case err != nil:
		return nil, &broken{cause: err, idle: c.idle && !errors.Is(err, io.ErrUnexpectedEOF)}
	case !mine:
		return nil, untagged(line)
	}
	c.spent = !intime || !c.lines.Empty()
	return bytes.Clone(reply), nil
}

// exchange writes the request line and reads the reply line.
func (c *conn) exchange() ([]byte, error) {
	if _, err := c.nc.Write(c.out); err != nil && !errors.Is(err, syscall.EPIPE) {
		return nil, err
	}
	// After EPIPE the daemon has closed the connection, perhaps with a last word.
	return c.lines.ReadLine()
}

// untagged reads a line without the question's tag. An ERR without any is the
// daemon's word about the whole connection ("busy" on one too many); anything
// else has no place here.
func untagged(line []byte) error {
	var r protocol.Reply
	if err := protocol.ParseReply(line, &r); err != nil || len(r.Tag) > 0 || r.Status != protocol.ERR {
		return garbled("reply to another question")
	}
	return replyError(&r)
}
