package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/neonauthd/neonauthd/protocol"
)

// conn is one connection to the daemon. It carries one question at a time. It
// is used again only after it has brought one whole reply and no further byte.
type conn struct {
	nc     net.Conn
	lines  *protocol.LineReader
	out    []byte      // the request line; the next question reuses the buffer
	tag    uint64      // of the latest question
	idle   bool        // it was idle before this question; false if it then broke in a reply
	expiry *time.Timer // closes it, if it is idle; runs anew from each time that it becomes idle
	spent  bool        // it must not carry another question
	detach func() bool // after it the end of the pool's context does not close nc
}

// newConn returns a connection that is closed when the context ends, if not
// before. Its tags begin with a random number, so that a reply that reaches the
// wrong connection has a tag that does not fit.
func newConn(open context.Context, nc net.Conn) *conn {
	c := &conn{nc: nc, lines: protocol.NewLineReader(nc, protocol.MaxReplyLine), tag: rand.Uint64()}
	c.detach = context.AfterFunc(open, func() { _ = nc.Close() })
	return c
}

func (c *conn) close() {
	c.detach()
	_ = c.nc.Close()
}

// ask sends the question and returns a copy of the reply line, without its tag.
// Because of the tag, a duplicate or late reply is never taken for the reply to
// another question.
func (c *conn) ask(ctx context.Context, end time.Time, q *question) ([]byte, error) {
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
	c.spent = true // until the whole reply has come
	_ = c.nc.SetDeadline(end)
	stop := context.AfterFunc(ctx, func() { _ = c.nc.SetDeadline(time.Unix(1, 0)) })
	line, err := c.exchange()
	intime := stop() // false: ctx has ended, and its function sets a deadline in the past
	reply, mine := bytes.CutPrefix(line, c.out[:bytes.IndexByte(c.out, ' ')+1])
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, context.DeadlineExceeded
	case errors.Is(err, protocol.ErrLineTooLong):
		return nil, garbled("reply line is too long")
	case err != nil:
		c.idle = c.idle && !errors.Is(err, io.ErrUnexpectedEOF)
		return nil, broken(err)
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

// untagged interprets a line without the question's tag. An ERR without any tag
// is about the whole connection, such as "busy" when the daemon has too many
// connections. Every other line is garbled.
func untagged(line []byte) error {
	var r protocol.Reply
	if err := protocol.ParseReply(line, &r); err != nil || len(r.Tag) > 0 || r.Status != protocol.ERR {
		return garbled("reply to another question")
	}
	return replyError(&r, "")
}

// maxSocketPath is the longest path that fits into sockaddr_un.sun_path on
// Linux, without the closing zero byte. For a longer path the kernel only says
// "invalid argument".
const maxSocketPath = 107

// unixDialer returns a dial function for the socket at path. Its errors say
// what to check.
func unixDialer(path string) func(ctx context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
		nc, err := dialUnix(ctx, path)
		if err == nil {
			if err = checkOwner(path); err == nil { // after connecting: the owner cannot have changed before
				return nc, nil
			}
			_ = nc.Close()
		}
		return nil, fmt.Errorf("connect to %s: %w", quoted(path), err)
	}
}

const ownFolder = "keep the daemon's socket in a folder that only the daemon's user can write to"

// checkOwner refuses a socket of another user in a folder such as /tmp, where
// everybody can make files: another program than the daemon may listen there.
// In a folder that is not sticky everybody can also replace files, so that the
// owner of a file says nothing.
func checkOwner(path string) error {
	folder, err := os.Stat(filepath.Dir(path))
	switch {
	case err != nil || folder.Mode().Perm()&0o002 == 0:
		return err
	case folder.Mode()&os.ModeSticky == 0:
		return errors.New("everybody can replace it: its folder is writable by all and not sticky (" + ownFolder + ")")
	}
	socket, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if stat, ok := socket.Sys().(*syscall.Stat_t); ok && stat.Uid != 0 && int(stat.Uid) != os.Geteuid() {
		return fmt.Errorf("it belongs to user %d, and everybody can make files in its folder (%s)", stat.Uid, ownFolder)
	}
	return nil
}

// dialUnix connects. When the daemon's queue of new connections is full, Linux
// reports EAGAIN at once; dialUnix then tries again until ctx ends.
func dialUnix(ctx context.Context, path string) (net.Conn, error) {
	switch {
	case len(path) > maxSocketPath:
		return nil, fmt.Errorf("socket path has %d bytes, more than the %d that a Unix socket can have", len(path), maxSocketPath)
	case strings.HasPrefix(path, "@"):
		return nil, errors.New("an abstract socket has no owner: give the path of a socket in a folder")
	}
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		nc, err := new(net.Dialer).DialContext(ctx, "unix", path)
		if !errors.Is(err, syscall.EAGAIN) {
			return nc, hint(err)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// hint adds to a common cause what to check. Nil stays nil.
func hint(err error) error {
	cause := err
	if op, ok := errors.AsType[*net.OpError](err); ok {
		cause = op.Err // without the address, which the caller says
	}
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w (is neonauthd running, and is this its socket?)", cause)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%w (is this user in the group of the socket?)", cause)
	}
	return cause
}
