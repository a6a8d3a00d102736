package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/protocol"
)

// daemonFunc is a daemon in this process: each connection a client makes is
// handed to it, with its number from 1.
type daemonFunc func(n int, nc net.Conn)

// client returns a client of the daemon, over pipes, so that it can be used
// with the time of synctest.
func (d daemonFunc) client(conns int) *client.Client {
	var dials atomic.Int32
	return &client.Client{Conns: conns, Dial: func(context.Context) (net.Conn, error) {
		near, far := net.Pipe()
		go d(int(dials.Add(1)), far)
		return near, nil
	}}
}

// request is a request line as a test needs it.
type request struct{ tag, token string }

func readRequest(lines *protocol.LineReader) (request, error) {
	line, err := lines.ReadLine()
	if err != nil {
		return request{}, err
	}
	var r protocol.Request
	if err := protocol.ParseRequest(line, &r); err != nil {
		return request{}, err
	}
	return request{tag: string(r.Tag), token: string(r.Args[0])}, nil
}

// replying answers each request with what answer makes of it, until the
// connection ends.
func replying(answer func(*protocol.Request) string) daemonFunc {
	return func(_ int, nc net.Conn) {
		lines := protocol.NewLineReader(nc, protocol.MaxRequestLine)
		for {
			line, err := lines.ReadLine()
			var r protocol.Request
			if err != nil || protocol.ParseRequest(line, &r) != nil {
				return
			}
			if _, err := fmt.Fprintf(nc, "@%s %s\n", r.Tag, answer(&r)); err != nil {
				return
			}
		}
	}
}

func accept(to io.Writer, r request) error {
	_, err := fmt.Fprintf(to, "@%s OK level=claims project=main sub=%s age=0 ttl=0 exp=1764000000 source=cache {}\n", r.tag, r.token)
	return err
}

// TestNoAnswerIsMixedUp has many callers share connections to a daemon that
// answers in any order, while some give up: each answer names the token asked
// about. Few callers are alone on a connection now and then, and over a socket
// with little room their questions leave in pieces.
func TestNoAnswerIsMixedUp(t *testing.T) {
	for _, tt := range []struct {
		name           string
		conns, callers int
		client         func(t *testing.T, conns int) *client.Client
		padding        int // of tokens, at most
	}{
		{"64 callers on a pipe", 1, 64, overPipes, 1},
		{"64 callers on three pipes", 3, 64, overPipes, 1},
		{"64 callers on a socket", 1, 64, overSockets, 1},
		{"two callers on a socket", 1, 2, overSockets, 1},
		{"three callers on a socket with little room", 1, 3, overSockets, 8000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := tt.client(t, tt.conns)
			defer c.Close()
			var answered, given atomic.Int64
			crowd(tt.callers, 64*200, func(caller int) {
				token := fmt.Sprintf("t.%d.%d%s", caller, rand.Uint64(), strings.Repeat("p", rand.N(tt.padding)))
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if rand.N(20) == 0 {
					go cancel()
				}
				switch a := c.Verify(ctx, token, client.Deadline(patience)).(type) {
				case client.Accepted:
					answered.Add(1)
					if a.Subject != token {
						t.Errorf("asked about %s, got the answer about %s", token, a.Subject)
					}
				case client.Rejected:
					t.Errorf("nothing was rejected, but got %v", a)
				case client.Unknown:
					given.Add(1)
					if !errors.Is(a.Err, context.Canceled) {
						t.Error(a)
					}
				}
			})
			if answered.Load() < 64*150 || given.Load() == 0 {
				t.Errorf("%d answers and %d given up: the test does not test", answered.Load(), given.Load())
			}
		})
	}
}

func overPipes(_ *testing.T, conns int) *client.Client {
	return daemonFunc(func(_ int, nc net.Conn) { shuffle(nc) }).client(conns)
}

// overSockets has room for about half a request of 8 KiB on its way.
func overSockets(t *testing.T, conns int) *client.Client {
	path := listen(t, shuffle)
	return &client.Client{Conns: conns, Dial: func(context.Context) (net.Conn, error) {
		nc, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
		if err != nil {
			return nil, err
		}
		return nc, nc.SetWriteBuffer(1)
	}}
}

// shuffle answers what comes in any order.
func shuffle(nc net.Conn) {
	defer nc.Close()
	requests := make(chan request, 64)
	go answerShuffled(nc, requests)
	defer close(requests)
	lines := protocol.NewLineReader(nc, protocol.MaxRequestLine)
	for {
		r, err := readRequest(lines)
		if err != nil {
			return
		}
		requests <- r
	}
}

// answerShuffled answers what has gathered in random order.
func answerShuffled(nc net.Conn, requests <-chan request) {
	for first := range requests {
		batch := []request{first}
		for more := true; more && len(batch) < 16; {
			select {
			case r, ok := <-requests:
				if more = ok; ok {
					batch = append(batch, r)
				}
			default:
				more = false
			}
		}
		rand.Shuffle(len(batch), func(i, j int) { batch[i], batch[j] = batch[j], batch[i] })
		for _, r := range batch {
			if accept(nc, r) != nil {
				return
			}
		}
	}
}

// TestEachCallEndsAtItsTime has callers with different budgets wait on one
// silent connection.
func TestEachCallEndsAtItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := func(_ int, nc net.Conn) {
			lines := protocol.NewLineReader(nc, protocol.MaxRequestLine)
			for {
				if _, err := lines.ReadLine(); err != nil {
					return
				}
			}
		}
		c := daemonFunc(silent).client(1)
		defer c.Close()
		start := time.Now()
		var wg sync.WaitGroup
		for _, budget := range []time.Duration{
			300 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond, 700 * time.Millisecond, 50 * time.Millisecond,
		} {
			wg.Go(func() {
				u, ok := c.Verify(t.Context(), "a.b.c", client.Deadline(budget)).(client.Unknown)
				if !ok || !errors.Is(u.Err, context.DeadlineExceeded) {
					t.Errorf("got %v", u)
				}
				if took := time.Since(start); took != budget {
					t.Errorf("a call with %s took %s", budget, took)
				}
			})
			synctest.Wait()
		}
		wg.Wait()

		// Without anything said the default holds, and an earlier end of the
		// context wins.
		start = time.Now()
		c.Verify(t.Context(), "a.b.c")
		if took := time.Since(start); took != client.DefaultTimeout {
			t.Errorf("by default a call took %s", took)
		}
		start = time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		c.Verify(ctx, "a.b.c")
		if took := time.Since(start); took != 20*time.Millisecond {
			t.Errorf("a call whose context had 20ms took %s", took)
		}
	})
}

// TestDaemonIsToldTheTime: a tenth less than is left, at most 50 ms.
func TestDaemonIsToldTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := make(chan string, 1)
		listener := replying(func(r *protocol.Request) string {
			raw, _ := r.Fields.Get(protocol.FieldDeadline)
			told <- string(raw)
			return "NO expired"
		})
		c := listener.client(1)
		defer c.Close()
		for budget, want := range map[time.Duration]string{
			time.Second: "950", 2 * time.Second: "1950", 100 * time.Millisecond: "90", time.Microsecond: "1",
			time.Hour: "60000",
		} {
			c.Verify(t.Context(), "a.b.c", client.Deadline(budget))
			if got := <-told; got != want {
				t.Errorf("with %s left the daemon is told %s ms, want %s", budget, got, want)
			}
		}
	})
}

// TestCallersBeyondTheLimitWait: a daemon that is slow for everybody does not
// get more requests than the connections may carry, and nobody is lost.
func TestCallersBeyondTheLimitWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var most, now atomic.Int32
		slow := func(_ int, nc net.Conn) {
			lines := protocol.NewLineReader(nc, protocol.MaxRequestLine)
			var mu sync.Mutex
			for {
				r, err := readRequest(lines)
				if err != nil {
					return
				}
				if n := now.Add(1); n > most.Load() {
					most.Store(n)
				}
				time.AfterFunc(10*time.Millisecond, func() {
					mu.Lock()
					defer mu.Unlock()
					now.Add(-1)
					_ = accept(nc, r)
				})
			}
		}
		c := daemonFunc(slow).client(1)
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() {
				if _, ok := c.Verify(t.Context(), "a.b.c").(client.Accepted); !ok {
					t.Error("a call got no answer")
				}
			})
		}
		wg.Wait()
		_ = c.Close()
		if most.Load() > 128 || most.Load() < 64 {
			t.Errorf("%d requests were in flight on one connection", most.Load())
		}
	})
}

// TestLoneCallerStartsNoGoroutine runs in a bubble where a stray goroutine
// would keep the test from ending.
func TestLoneCallerStartsNoGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := daemonFunc(func(_ int, nc net.Conn) { answerAccepted(nc) }).client(2)
		for n := range 100 {
			token := fmt.Sprint("x", n)
			if a, ok := c.Verify(t.Context(), token).(client.Accepted); !ok || a.Subject != token {
				t.Fatalf("got %v", a)
			}
		}
		_ = c.Close()
	})
}

// TestRequestsReadyTogetherShareAWrite counts the writes of many callers.
func TestRequestsReadyTogetherShareAWrite(t *testing.T) {
	var writes, requests atomic.Int64
	path := listenBare(t)
	c := &client.Client{Conns: 1, Dial: func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		nc, err := d.DialContext(ctx, "unix", path)
		return &countingConn{Conn: nc, writes: &writes}, err
	}}
	defer c.Close()
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for range 200 {
				if _, ok := c.Verify(t.Context(), "a.b.c", client.Deadline(patience)).(client.Accepted); !ok {
					t.Error("a call got no answer")
				}
				requests.Add(1)
			}
		})
	}
	wg.Wait()
	if w, r := writes.Load(), requests.Load(); w*2 > r {
		t.Errorf("%d requests took %d writes", r, w)
	}
}

// TestCallersWhoseRepliesCameTogetherAskTogether: the first of them to ask again
// finds nobody on the connection, and is not alone for that.
func TestCallersWhoseRepliesCameTogetherAskTogether(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	const callers, rounds = 8, 100
	path := listen(t, func(nc net.Conn) {
		lines := protocol.NewLineReader(nc, protocol.MaxRequestLine)
		for {
			var replies bytes.Buffer
			for range callers {
				r, err := readRequest(lines)
				if err != nil {
					return
				}
				_ = accept(&replies, r)
			}
			_, _ = nc.Write(replies.Bytes())
		}
	})
	var writes atomic.Int64
	c := &client.Client{Conns: 1, Timeout: patience, Dial: func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		nc, err := d.DialContext(ctx, "unix", path)
		return &countingConn{Conn: nc, writes: &writes}, err
	}}
	defer c.Close()
	crowd(callers, callers*rounds, func(int) {
		if a := c.Verify(t.Context(), "a.b.c"); !isAccepted(a) {
			t.Error(a)
		}
	})
	if w := writes.Load(); w > rounds*3/2 {
		t.Errorf("%d rounds of %d questions took %d writes", rounds, callers, w)
	}
}

type countingConn struct {
	net.Conn
	writes *atomic.Int64
}

func (c *countingConn) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

// TestOptionsOverrideTheClient: of several options of a kind the last counts.
func TestOptionsOverrideTheClient(t *testing.T) {
	var got []string
	recorder := replying(func(r *protocol.Request) string {
		project, _ := r.Fields.Get(protocol.FieldProject)
		got = append(got, string(project))
		return "NO expired"
	})
	c := recorder.client(1)
	c.Project = "own"
	defer c.Close()
	c.Verify(t.Context(), "a.b.c")
	c.Verify(t.Context(), "a.b.c", client.WithProject("first"), client.WithProject("sec ond"), client.Option{})
	if want := []string{"own", "sec%20ond"}; !slices.Equal(got, want) {
		t.Errorf("projects asked about are %q, want %q", got, want)
	}
}
