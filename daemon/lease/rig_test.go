package lease

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/protocol"
)

// writeTimeout is how long a client of these tests may leave lines unread.
const writeTimeout = 5 * time.Second

// served is the daemon's end of a watch.
type served struct {
	net.Conn
	*protocol.LineReader
}

func (s served) Send(lines []byte) error {
	_ = s.SetWriteDeadline(time.Now().Add(writeTimeout))
	_, err := s.Write(lines)
	return err
}

func (s served) HangUp() { s.Close() }

// client is the client's end of a watch. It reads only when the test tells it to:
// the connection buffers nothing.
type client struct {
	t     *testing.T
	conn  net.Conn
	lines *protocol.LineReader
	ended sync.WaitGroup
	err   error // of Serve
}

// started returns Watches in a synctest bubble, after the wait for a former run.
func started() *Watches {
	s := New(Options{})
	s.Start()
	time.Sleep(Term)
	return s
}

// watch opens a watch of a user, which ends with the test.
func watch(t *testing.T, s *Watches, uid uint32) *client {
	t.Helper()
	w, ok := s.Open(fair.ID{UID: uid}, nil)
	if !ok {
		t.Fatal("no watch")
	}
	near, far := net.Pipe()
	c := &client{t: t, conn: near, lines: protocol.NewLineReader(near, protocol.MaxWatchLine)}
	c.ended.Go(func() { c.err = w.Serve(served{far, protocol.NewLineReader(far, protocol.MaxRequestLine)}) })
	t.Cleanup(func() { c.lose() })
	return c
}

// up opens a watch and reads the answer to WATCH.
func up(t *testing.T, s *Watches, uid uint32) *client {
	t.Helper()
	c := watch(t, s, uid)
	rev, _ := s.Revision()
	c.hears(string(protocol.AppendRevision([]byte("OK lease=1000"), rev)))
	synctest.Wait() // until the daemon's end waits for lines
	return c
}

func (c *client) says(format string, args ...any) {
	c.t.Helper()
	_ = c.conn.SetWriteDeadline(time.Now().Add(time.Minute))
	if _, err := fmt.Fprintf(c.conn, format+"\n", args...); err != nil {
		c.t.Fatal(err)
	}
}

// hears expects these lines, without delay.
func (c *client) hears(want ...string) {
	c.t.Helper()
	for _, w := range want {
		_ = c.conn.SetReadDeadline(time.Now().Add(time.Nanosecond))
		line, err := c.lines.ReadLine()
		if err != nil || string(line) != w {
			c.t.Fatalf("heard %q, %v, want %q", line, err, w)
		}
	}
}

// sees confirms revision n, and expects the next lease.
func (c *client) sees(n int64) {
	c.t.Helper()
	c.seesOf(n, n)
}

// seesOf confirms revision n, while the watch has been told up to revision told.
func (c *client) seesOf(n, told int64) {
	c.t.Helper()
	c.says("SEEN rev=%d hits=0", n)
	c.hears(fmt.Sprintf("OK lease=1000 rev=%d", told))
	synctest.Wait() // until the daemon's end waits for lines
}

// ends expects the end of the watch, and returns the reason.
func (c *client) ends() error {
	c.t.Helper()
	_ = c.conn.SetReadDeadline(time.Now().Add(time.Minute))
	if line, err := c.lines.ReadLine(); err == nil {
		c.t.Fatalf("heard %q instead of the end", line)
	}
	c.ended.Wait()
	return c.err
}

// lose closes the connection without QUIT.
func (c *client) lose() {
	c.conn.Close()
	c.ended.Wait()
}

// settles returns how long Settled waits.
func settles(t *testing.T, s *Watches) time.Duration {
	t.Helper()
	began := time.Now()
	if err := s.Settled(t.Context()); err != nil {
		t.Error(err)
	}
	return time.Since(began)
}

// settling calls Settled in the background. The function that it returns tells how
// long Settled has waited; below zero: it still waits.
func settling(t *testing.T, s *Watches) func() time.Duration {
	t.Helper()
	took := time.Duration(-1)
	var mu sync.Mutex
	go func() {
		d := settles(t, s)
		mu.Lock()
		defer mu.Unlock()
		took = d
	}()
	synctest.Wait()
	return func() time.Duration {
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		return took
	}
}

// handle returns the handle of a subject.
func handle(s *Watches, subject string) protocol.Handle { return s.Handle("subject", "main", subject) }

// forgetting returns the line that tells to forget these handles.
func forgetting(rev int64, handles ...protocol.Handle) string {
	line := protocol.AppendHandles([]byte("OK"), protocol.FieldForget, handles...)
	return string(protocol.AppendInt(line, protocol.FieldRev, rev))
}

func forgettingAll(rev int64) string {
	return strings.Replace("OK forget=* rev=N", "N", fmt.Sprint(rev), 1)
}
