package client_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/protocol"
)

// slow accepts each request independently of the others, after the time that
// answerAfter gives for its token.
func slow(answerAfter func(token string) time.Duration) daemonFunc {
	return func(_ int, nc net.Conn) {
		turn := make(chan struct{}, 1) // a mutex would stop the clock of synctest
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

// TestQuestionThatNobodyWaitsForIsNotSent: callers wait for a connection until
// their time is over, and at that moment one becomes free; or they have left
// before they ask.
func TestQuestionThatNobodyWaitsForIsNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := slow(func(token string) time.Duration {
			if token == "late.a.b" {
				t.Error("a question was sent that nobody waits for")
			}
			return 100 * time.Millisecond
		}).client(1)
		defer c.Close()
		var wg sync.WaitGroup
		wg.Go(func() {
			if a := c.Verify(t.Context(), "a.b.c"); !isAccepted(a) {
				t.Errorf("a caller with time got %v", a)
			}
		})
		synctest.Wait()
		for range 20 {
			wg.Go(func() { c.Verify(t.Context(), "late.a.b", client.Deadline(100*time.Millisecond)) })
		}
		wg.Wait()
		gone, leave := context.WithCancel(t.Context())
		leave()
		if u, ok := c.Verify(gone, "late.a.b").(client.Unknown); !ok || !errors.Is(u.Err, context.Canceled) {
			t.Errorf("a caller that has left got %v", u)
		}
	})
}

// TestCallThatLeavesTakesItsConnectionAlong: nobody waits for the reply that is
// still to come, so the connection is closed.
func TestCallThatLeavesTakesItsConnectionAlong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ends atomic.Int32
		daemon := slow(always(50 * time.Millisecond))
		c := daemonFunc(func(n int, nc net.Conn) { daemon(n, nc); ends.Add(1) }).client(1)
		defer c.Close()
		for n := range int32(10) {
			if a := c.Verify(t.Context(), "a.b.c", client.Deadline(20*time.Millisecond)); isAccepted(a) {
				t.Fatalf("got %v in 20 ms", a)
			}
			synctest.Wait()
			if ends.Load() != n+1 {
				t.Fatalf("%d connections have ended after %d calls", ends.Load(), n+1)
			}
		}
		if a := c.Verify(t.Context(), "a.b.c"); !isAccepted(a) {
			t.Error(a)
		}
	})
}

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

// TestIdleConnectionsEndByThemselves: a program that makes a client for each
// request, and closes none, must not hold all the connections that a host has.
func TestIdleConnectionsEndByThemselves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var open atomic.Int32
		daemon := daemonFunc(func(_ int, nc net.Conn) {
			open.Add(1)
			answerAccepted(nc)
			open.Add(-1)
		})
		var clients []*client.Client
		for range 50 {
			c := daemon.client(1)
			clients = append(clients, c)
			if a := c.Verify(t.Context(), "a.b.c"); !isAccepted(a) {
				t.Fatal(a)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if n := open.Load(); n > 10 {
			t.Errorf("%d connections are open, of which 10 were used in the last second", n)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if n := open.Load(); n > 0 {
			t.Errorf("%d connections are open that nobody uses", n)
		}
		for _, c := range clients {
			if a := c.Verify(t.Context(), "a.b.c"); !isAccepted(a) {
				t.Fatal(a)
			}
			_ = c.Close()
		}
	})
}

// TestConnectionInUseStaysOpen: the connection that was used last serves the
// next call, and those that only many callers at once needed end.
func TestConnectionInUseStaysOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dials, open atomic.Int32
		daemon := slow(always(time.Millisecond))
		c := daemonFunc(func(n int, nc net.Conn) {
			dials.Add(1)
			open.Add(1)
			daemon(n, nc)
			open.Add(-1)
		}).client(10)
		defer c.Close()
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() { c.Verify(t.Context(), "a.b.c") })
		}
		wg.Wait()
		for range 30 {
			c.Verify(t.Context(), "a.b.c")
			time.Sleep(100 * time.Millisecond)
		}
		if dials.Load() != 10 || open.Load() != 1 {
			t.Errorf("%d connections were made, %d are open", dials.Load(), open.Load())
		}
	})
}
