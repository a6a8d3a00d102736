package main_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// caller is a client's end of a connection, as plain as can be.
type caller struct {
	conn *net.UnixConn
	in   *bufio.Reader
}

// call connects to a socket.
func call(t testing.TB, socket string) *caller {
	t.Helper()
	c, err := dial(socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.conn.Close() })
	return c
}

func dial(socket string) (*caller, error) {
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return nil, err
	}
	c := &caller{conn: conn, in: bufio.NewReaderSize(conn, 64<<10)}
	return c, conn.SetDeadline(time.Now().Add(patience))
}

// ask sends one line and returns the reply to it.
func (c *caller) ask(t testing.TB, line string) string {
	t.Helper()
	c.send(t, line+"\n")
	return c.reply(t)
}

// send writes bytes as they are.
func (c *caller) send(t testing.TB, bytes string) {
	t.Helper()
	if _, err := io.WriteString(c.conn, bytes); err != nil {
		t.Fatalf("send: %v", err)
	}
}

// reply reads one line.
func (c *caller) reply(t testing.TB) string {
	t.Helper()
	line, err := c.line()
	if err != nil {
		t.Fatalf("read a reply: got %q and %v", shorten(line), err)
	}
	return line
}

func (c *caller) line() (string, error) {
	line, err := c.in.ReadString('\n')
	return strings.TrimSuffix(line, "\n"), err
}

// awaitEnd expects the end of the stream and nothing before it.
func (c *caller) awaitEnd(t testing.TB) {
	t.Helper()
	rest, err := io.ReadAll(c.in)
	if err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("the connection did not end: %v", err)
	}
	if len(rest) > 0 {
		t.Fatalf("expected the end, got %q", shorten(string(rest)))
	}
}

// silent reports whether nothing comes for a while.
func (c *caller) silent(t testing.TB, d time.Duration) bool {
	t.Helper()
	if err := c.conn.SetReadDeadline(time.Now().Add(d)); err != nil {
		t.Fatal(err)
	}
	defer c.conn.SetReadDeadline(time.Now().Add(patience))
	_, err := c.in.Peek(1)
	return errors.Is(err, os.ErrDeadlineExceeded)
}

// expect asks and compares the reply with a regular expression for all of it.
func (c *caller) expect(t testing.TB, line, pattern string) {
	t.Helper()
	matches(t, c.ask(t, line), pattern)
}

func matches(t testing.TB, reply, pattern string) {
	t.Helper()
	if !regexp.MustCompile(`\A(?s:` + pattern + `)\z`).MatchString(reply) {
		t.Fatalf("got %q, expected %s", shorten(reply), pattern)
	}
}

// field is the value of a reply's field as it stands; "" if there is none.
func field(reply, name string) string {
	for _, word := range strings.Split(reply, " ") {
		if strings.HasPrefix(word, "{") {
			break
		}
		if value, ok := strings.CutPrefix(word, name+"="); ok {
			return value
		}
	}
	return ""
}

// head is a reply without its JSON.
func head(reply string) string {
	before, _, _ := strings.Cut(reply, " {")
	return before
}

func shorten(s string) string {
	if len(s) > 300 {
		return fmt.Sprintf("%s... (%d bytes)", s[:300], len(s))
	}
	return s
}
