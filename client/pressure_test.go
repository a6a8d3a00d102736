package client_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/protocol"
)

// slow answers each request on its own, accepting it, after the time that its
// token has.
func slow(answerAfter func(token string) time.Duration) daemonFunc {
	return func(_ int, nc net.Conn) {
		turn := make(chan struct{}, 1) // a mutex would keep the time of synctest from going on
		lines := protocol.NewLineReader(nc, protocol.MaxRequestLine)
		for {
			r, err := readRequest(lines)
			if err != nil {
				return
			}
			time.AfterFunc(answerAfter(r.token), func() {
				turn <- struct{}{}
				defer func() { <-turn }()
				_ = accept(nc, r) // the client may have gone
			})
		}
	}
}

func always(d time.Duration) func(string) time.Duration {
	return func(string) time.Duration { return d }
}

// TestCallWithoutTimeTakesNobodysConnection: what it has begun to write, or not
// begun, is no reason to end the calls beside it.
func TestCallWithoutTimeTakesNobodysConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := slow(always(100 * time.Millisecond)).client(1)
		defer c.Close()
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if a := c.Verify(t.Context(), "a.b.c"); !isAccepted(a) {
					t.Errorf("a caller with time got %v", a)
				}
			})
		}
		synctest.Wait()
		for range 3 {
			a := c.Verify(t.Context(), "x.y.z", client.Deadline(time.Nanosecond))
			if u, ok := a.(client.Unknown); !ok || !errors.Is(u.Err, context.DeadlineExceeded) {
				t.Errorf("a caller without time got %v", a)
			}
		}
		wg.Wait()
	})
}

// TestCallThatGetsItsPlaceTooLateTakesNobodysConnection: callers wait for a
// place until their time is over, which is when one comes free.
func TestCallThatGetsItsPlaceTooLateTakesNobodysConnection(t *testing.T) {
	const places = 128
	synctest.Test(t, func(t *testing.T) {
		c := slow(func(token string) time.Duration {
			switch token {
			case "short.a.b":
				return 100 * time.Millisecond
			case "late.a.b":
				t.Error("a question was sent that nobody waits for")
			}
			return 3 * time.Second
		}).client(1)
		c.Timeout = 10 * time.Second
		defer c.Close()
		var wg sync.WaitGroup
		ask := func(token string, opts ...client.Option) {
			wg.Go(func() {
				if a := c.Verify(t.Context(), token, opts...); !isAccepted(a) && len(opts) == 0 {
					t.Errorf("a caller with time got %v", a)
				}
			})
			synctest.Wait()
		}
		for range places - 1 {
			ask("long.b.c")
		}
		ask("short.a.b")
		for range 20 {
			ask("late.a.b", client.Deadline(100*time.Millisecond))
		}
		wg.Wait()
	})
}

// TestHalfWrittenRequestIsFinished has a daemon that stops in the middle of a
// line until its caller has gone. The one behind it is answered all the same.
func TestHalfWrittenRequestIsFinished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		daemon := slow(always(0))
		c := daemonFunc(func(n int, nc net.Conn) {
			half := make([]byte, 5)
			if _, err := io.ReadFull(nc, half); err != nil || n != 1 {
				t.Errorf("connection %d: %v", n, err)
				return
			}
			<-time.After(50 * time.Millisecond)
			daemon(n, &resumed{nc, io.MultiReader(bytes.NewReader(half), nc)})
		}).client(1)
		defer c.Close()
		var wg sync.WaitGroup
		wg.Go(func() {
			if a := c.Verify(t.Context(), "x.y.z", client.Deadline(10*time.Millisecond)); isAccepted(a) {
				t.Errorf("the first caller got %v", a)
			}
		})
		synctest.Wait()
		wg.Go(func() {
			if a := c.Verify(t.Context(), "a.b.c"); !isAccepted(a) {
				t.Errorf("the caller behind got %v", a)
			}
		})
		wg.Wait()
	})
}

// resumed is a connection of which something has been read.
type resumed struct {
	net.Conn
	from io.Reader
}

func (r *resumed) Read(p []byte) (int, error) { return r.from.Read(p) }

// TestStuckWriteEndsWithItsCaller has a daemon that reads nothing.
func TestStuckWriteEndsWithItsCaller(t *testing.T) {
	deaf := daemonFunc(func(int, net.Conn) {})
	for name, end := range map[string]func(context.Context) (context.Context, context.CancelFunc, []client.Option){
		"by its context": func(ctx context.Context) (context.Context, context.CancelFunc, []client.Option) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(10*time.Millisecond, cancel)
			return ctx, cancel, []client.Option{client.Deadline(time.Minute)}
		},
		"by its deadline": func(ctx context.Context) (context.Context, context.CancelFunc, []client.Option) {
			return ctx, func() {}, []client.Option{client.Deadline(10 * time.Millisecond)}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := deaf.client(1)
				defer c.Close()
				ctx, cancel, opts := end(t.Context())
				defer cancel()
				start := time.Now()
				a := c.Verify(ctx, "a.b.c", opts...)
				if took := time.Since(start); took != 10*time.Millisecond {
					t.Errorf("it took %s: %v", took, a)
				}
				if _, ok := a.(client.Unknown); !ok {
					t.Errorf("got %v", a)
				}
			})
		})
	}
}

// TestHurryCostsNoConnections: a daemon that is slower than some callers are
// patient is not dead.
func TestHurryCostsNoConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dials atomic.Int32
		daemon := slow(always(50 * time.Millisecond))
		c := daemonFunc(func(n int, nc net.Conn) { dials.Add(1); daemon(n, nc) }).client(1)
		defer c.Close()
		for range 1000 {
			if a := c.Verify(t.Context(), "a.b.c", client.Deadline(2*time.Millisecond)); isAccepted(a) {
				t.Fatalf("got %v in 2 ms", a)
			}
		}
		if n := dials.Load(); n != 1 {
			t.Errorf("%d connections were made", n)
		}
	})
}

// TestEndOfAContextIsHeardBesideOtherCalls: a call comes between the end of the
// reader's context and the read that has to hear of it.
func TestEndOfAContextIsHeardBesideOtherCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		held := &heldConn{reading: make(chan struct{}), read: make(chan struct{})}
		c := &client.Client{Conns: 1, Timeout: 2 * time.Second, Dial: func(context.Context) (net.Conn, error) {
			near, far := net.Pipe()
			go func() { _, _ = io.Copy(io.Discard, far) }()
			held.Conn = near
			return held, nil
		}}
		defer c.Close()
		ctx, leave := context.WithCancel(t.Context())
		begun := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() {
			a := c.Verify(ctx, "a.b.c", client.Deadline(10*time.Second))
			if u, ok := a.(client.Unknown); !ok || !errors.Is(u.Err, context.Canceled) || time.Since(begun) > 0 {
				t.Errorf("got %v after %s", a, time.Since(begun))
			}
		})
		<-held.reading
		leave()
		synctest.Wait()
		wg.Go(func() { c.Verify(t.Context(), "d.e.f") })
		synctest.Wait()
		close(held.read)
		wg.Wait()
	})
}

// heldConn holds up the first read.
type heldConn struct {
	net.Conn
	reading, read chan struct{}
	once          sync.Once
}

func (c *heldConn) Read(p []byte) (int, error) {
	c.once.Do(func() {
		close(c.reading)
		<-c.read
	})
	return c.Conn.Read(p)
}

// TestNobodysShortTimeEndsTheWriteOfOthers: the first leaves half a line behind
// it, and the daemon reads on after more than a second.
func TestNobodysShortTimeEndsTheWriteOfOthers(t *testing.T) {
	for name, later := range map[string]time.Duration{
		"beside others":         5 * time.Millisecond,
		"before the others ask": 100 * time.Millisecond,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := daemonFunc(func(_ int, nc net.Conn) {
					<-time.After(1500 * time.Millisecond)
					slow(always(0))(0, nc)
				}).client(1)
				defer c.Close()
				var wg sync.WaitGroup
				wg.Go(func() {
					if u, ok := c.Verify(t.Context(), "a.b.c", client.Deadline(10*time.Millisecond)).(client.Unknown); !ok {
						t.Errorf("the caller in a hurry got %v", u)
					}
				})
				<-time.After(later)
				for range 3 {
					wg.Go(func() {
						if a := c.Verify(t.Context(), "a.b.c", client.Deadline(10*time.Second)); !isAccepted(a) {
							t.Errorf("a caller with time got %v", a)
						}
					})
				}
				wg.Wait()
			})
		})
	}
}
