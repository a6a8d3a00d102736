// Package bounded limits what the engine of a fleet can make this host read: how much one
// answer has, and what sizes the answer announces.
package bounded

import (
	"errors"
	"net"
	"strings"
	"sync"
)

// mostRead is what one answer may have, in bytes, mostValue what one value in it, and
// mostItems how many elements an array. All that a fleet's hosts write is far smaller, so a
// larger answer is an entry of somebody who floods the log.
const (
	mostRead  = 8 << 20
	mostValue = 1 << 20
	mostItems = 1 << 16
)

// ErrFlood says that the engine sent a larger answer than a fleet's records
// need.
var ErrFlood = errors.New("the engine sent more than a fleet's records have; somebody else writes under the fleet's names")

// Conn returns a connection that goes over c, and fails with ErrFlood when more is read than
// one answer may have. It also fails when an answer announces a value or an array that is
// larger than it may be: the client takes memory for all of it as soon as it has read the
// size. Reads and writes may come from two goroutines.
func Conn(c net.Conn) net.Conn { return &conn{Conn: c} }

type conn struct {
	net.Conn
	mu     sync.Mutex
	read   int
	answer frame
}

// Write begins a request, whose answer may have mostRead bytes.
func (c *conn) Write(b []byte) (int, error) {
	c.mu.Lock()
	c.read = 0
	c.mu.Unlock()
	return c.Conn.Write(b)
}

// Read reads a part of an answer.
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.read += n; c.read > mostRead || !c.answer.fits(b[:n]) {
		return 0, ErrFlood
	}
	return n, err
}

// frame follows the engine's answers (RESP 2 and 3) as far as their sizes. The zero
// value is before an answer.
type frame struct {
	kind byte // of the line that is read; 0: none is begun
	size int  // that the line tells so far; -1: a line that tells none, or null
	skip int  // bytes of a value that are still to come
}

// fits reads on, and reports whether each size is one that a fleet's records have.
func (f *frame) fits(b []byte) bool {
	for len(b) > 0 {
		if f.skip > 0 {
			n := min(f.skip, len(b))
			f.skip, b = f.skip-n, b[n:]
			continue
		}
		c := b[0]
		b = b[1:]
		switch {
		case f.kind == 0:
			f.kind, f.size = c, 0
			if !strings.ContainsRune("$!=;*~>%|", rune(c)) {
				f.size = -1
			}
		case c == '\n':
			if f.size >= 0 && strings.ContainsRune("$!=;", rune(f.kind)) {
				f.skip = f.size + len("\r\n")
			}
			f.kind = 0
		case f.size < 0:
		case '0' <= c && c <= '9':
			f.size = 10*f.size + int(c-'0')
			if f.size > mostValue || f.size > mostItems && strings.ContainsRune("*~>%|", rune(f.kind)) {
				return false
			}
		case c != '\r':
			f.size = -1
		}
	}
	return true
}
