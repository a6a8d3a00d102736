package e2e

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

// Caller is the client's end of a connection, without the logic of a client.
type Caller struct {
	Conn *net.UnixConn
	In   *bufio.Reader
}

// Call connects to a socket until the end of the test.
func Call(t testing.TB, socket string) *Caller {
	t.Helper()
	c, err := Dial(socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Conn.Close() })
	return c
}

// Dial connects to a socket. Everything on the connection must be done within
// Timeout.
func Dial(socket string) (*Caller, error) {
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return nil, err
	}
	c := &Caller{Conn: conn, In: bufio.NewReaderSize(conn, 64<<10)}
	return c, conn.SetDeadline(time.Now().Add(Timeout))
}

// Ask sends one line and returns the reply to it.
func (c *Caller) Ask(t testing.TB, line string) string {
	t.Helper()
	c.Send(t, line+"\n")
	return c.Reply(t)
}

// Send writes bytes as they are.
func (c *Caller) Send(t testing.TB, bytes string) {
	t.Helper()
	if _, err := io.WriteString(c.Conn, bytes); err != nil {
		t.Fatalf("send: %v", err)
	}
}

// Reply reads one line.
func (c *Caller) Reply(t testing.TB) string {
	t.Helper()
	line, err := c.Line()
	if err != nil {
		t.Fatalf("read a reply: got %q and %v", Shorten(line), err)
	}
	return line
}

// Line reads one line. The error says that none came.
func (c *Caller) Line() (string, error) {
	line, err := c.In.ReadString('\n')
	return strings.TrimSuffix(line, "\n"), err
}

// AwaitEnd expects the end of the stream and nothing before it.
func (c *Caller) AwaitEnd(t testing.TB) {
	t.Helper()
	rest, err := io.ReadAll(c.In)
	if err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("the connection did not end: %v", err)
	}
	if len(rest) > 0 {
		t.Fatalf("expected the end, got %q", Shorten(string(rest)))
	}
}

// Silent reports whether nothing comes for a while.
func (c *Caller) Silent(t testing.TB, d time.Duration) bool {
	t.Helper()
	if err := c.Conn.SetReadDeadline(time.Now().Add(d)); err != nil {
		t.Fatal(err)
	}
	defer c.Conn.SetReadDeadline(time.Now().Add(Timeout))
	_, err := c.In.Peek(1)
	return errors.Is(err, os.ErrDeadlineExceeded)
}

// Expect asks, and compares the whole reply with a regular expression.
func (c *Caller) Expect(t testing.TB, line, pattern string) {
	t.Helper()
	Matches(t, c.Ask(t, line), pattern)
}

// Matches compares a whole reply with a regular expression.
func Matches(t testing.TB, reply, pattern string) {
	t.Helper()
	if !regexp.MustCompile(`\A(?s:` + pattern + `)\z`).MatchString(reply) {
		t.Fatalf("got %q, expected %s", Shorten(reply), pattern)
	}
}

// Field returns the undecoded value of a reply's field; "" if there is none.
func Field(reply, name string) string {
	for _, word := range strings.Fields(reply) {
		if strings.HasPrefix(word, "{") {
			break
		}
		if value, ok := strings.CutPrefix(word, name+"="); ok {
			return value
		}
	}
	return ""
}

// Head returns a reply without its JSON.
func Head(reply string) string {
	before, _, _ := strings.Cut(reply, " {")
	return before
}

// Shorten cuts a text that is too long to be shown.
func Shorten(s string) string {
	if len(s) > 300 {
		return fmt.Sprintf("%s... (%d bytes)", s[:300], len(s))
	}
	return s
}
