package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
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

// replying answers each request with the result of answer, until the connection
// ends.
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
	_, err := fmt.Fprintf(to, "@%s OK level=claims project=main sub=%s age=0 ttl=0 exp=4102444800 source=cache {}\n", r.tag, r.token)
	return err
}

// TestNoAnswerIsMixedUp: many callers share connections to a daemon that
// sometimes sends a reply twice, or again when the next request has come, and
// some callers give up. Each answer must name the token that its caller asked
// about.
func TestNoAnswerIsMixedUp(t *testing.T) {
	for _, tt := range []struct {
		name           string
		conns, callers int
		padding        int // of tokens, at most
	}{
		{"64 callers on one connection", 1, 64, 1},
		{"64 callers on eight", 8, 64, 1},
		{"three callers on two with little room", 2, 3, 8000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := overSockets(t, tt.conns)
			defer c.Close()
			var answered, given, garbled atomic.Int64
			askTogether(tt.callers, 64*200, func(caller int) {
				token := fmt.Sprintf("t.%d.%d%s", caller, rand.Uint64(), strings.Repeat("p", rand.N(tt.padding)))
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if rand.N(20) == 0 {
					go cancel()
				}
				switch a := c.Verify(ctx, token, client.Deadline(testTimeout)).(type) {
				case client.Accepted:
					answered.Add(1)
					if a.Subject != token {
						t.Errorf("asked about %s, got the answer about %s", token, a.Subject)
					}
				case client.Rejected:
					t.Errorf("nothing was rejected, but got %v", a)
				case client.Unknown:
					switch {
					case errors.Is(a.Err, client.ErrGarbled):
						garbled.Add(1)
					case errors.Is(a.Err, context.Canceled):
						given.Add(1)
					default:
						t.Error(a)
					}
				}
			})
			if answered.Load() < 64*100 || given.Load() == 0 || garbled.Load() == 0 {
				t.Errorf("%d answers, %d given up, %d not taken: the test does not test", answered.Load(), given.Load(), garbled.Load())
			}
		})
	}
}

// overSockets uses sockets whose buffers hold about half a request of 8 KiB.
func overSockets(t *testing.T, conns int) *client.Client {
	path := listen(t, repeat)
	return &client.Client{Conns: conns, Dial: func(context.Context) (net.Conn, error) {
		nc, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
		if err != nil {
			return nil, err
		}
		return nc, nc.SetWriteBuffer(1)
	}}
}

// repeat sends most answers once, and some twice.
func repeat(nc net.Conn) {
	defer nc.Close()
	lines := protocol.NewLineReader(nc, protocol.MaxRequestLine)
	var last request
	for {
		r, err := readRequest(lines)
		if err != nil {
			return
		}
		var replies bytes.Buffer
		if last.tag != "" && rand.N(20) == 0 {
			_ = accept(&replies, last)
		}
		_ = accept(&replies, r)
		if rand.N(20) == 0 {
			_ = accept(&replies, r)
		}
		if _, err := nc.Write(replies.Bytes()); err != nil {
			return
		}
		last = r
	}
}

// TestReplyThatComesTwiceFitsNoOtherQuestion: the second reply comes with the
// first, later, or only after another question. In the first case no caller
// notices.
func TestReplyThatComesTwiceFitsNoOtherQuestion(t *testing.T) {
	twice := func(nc net.Conn, r request) { _ = accept(nc, r); _ = accept(nc, r) }
	for name, daemon := range map[string]func(nc net.Conn, r request, before *request){
		"in one piece": func(nc net.Conn, r request, _ *request) {
			var both bytes.Buffer
			_, _ = accept(&both, r), accept(&both, r)
			_, _ = nc.Write(both.Bytes())
		},
		"one after the other": func(nc net.Conn, r request, _ *request) { twice(nc, r) },
		"before the next": func(nc net.Conn, r request, before *request) {
			if before.tag != "" {
				_ = accept(nc, *before)
			}
			_ = accept(nc, r)
			*before = r
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := listen(t, func(nc net.Conn) {
				lines := protocol.NewLineReader(nc, protocol.MaxRequestLine)
				var before request
				for {
					r, err := readRequest(lines)
					if err != nil {
						return
					}
					daemon(nc, r, &before)
				}
			})
			c := &client.Client{Socket: path, Conns: 1, Timeout: testTimeout}
			defer c.Close()
			for n := range 20 {
				token := fmt.Sprint("t.", n)
				switch a := c.Verify(t.Context(), token).(type) {
				case client.Accepted:
					if a.Subject != token {
						t.Fatalf("asked about %s, got the answer about %s", token, a.Subject)
					}
				case client.Rejected:
					t.Fatal(a)
				case client.Unknown:
					if !errors.Is(a.Err, client.ErrGarbled) || name == "in one piece" {
						t.Fatal(a)
					}
				}
			}
		})
	}
}

// TestEachCallEndsAtItsTime: callers with different deadlines wait on one
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

		// Without an option the default holds, and an earlier end of the
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

// TestDaemonIsToldTheTime: the daemon is told the time that is left, less a
// tenth of it and at most 50 ms.
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

// TestCallersBeyondTheLimitWait: a slow daemon does not get more connections
// than the client may have, and every caller gets an answer.
func TestCallersBeyondTheLimitWait(t *testing.T) {
	for _, limit := range []int{1, 7, client.DefaultConns} {
		for _, callers := range []int{limit - 1, limit, limit + 1, 10 * limit} {
			t.Run(fmt.Sprint(callers, " at ", limit), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var dials, asked atomic.Int32
					daemon := slow(always(10 * time.Millisecond))
					c := daemonFunc(func(n int, nc net.Conn) { dials.Add(1); daemon(n, nc) }).client(limit)
					var wg sync.WaitGroup
					for range callers {
						wg.Go(func() {
							if isAccepted(c.Verify(t.Context(), "a.b.c")) {
								asked.Add(1)
							}
						})
					}
					wg.Wait()
					_ = c.Close()
					if int(asked.Load()) != callers || int(dials.Load()) != min(callers, limit) {
						t.Errorf("%d answers over %d connections", asked.Load(), dials.Load())
					}
				})
			})
		}
	}
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
	for _, mistake := range [][]client.Option{{client.WithProject("")}, {client.WithProject("first"), client.WithProject("")}} {
		for _, answer := range []client.Answer{c.Verify(t.Context(), "a.b.c", mistake...), c.Profile(t.Context(), "a.b.c", mistake...)} {
			if u, ok := answer.(client.Unknown); !ok || u.Code != "" || u.Err == nil || !strings.Contains(u.Err.Error(), "WithProject has an empty name") {
				t.Errorf("with an empty name of the project: %v", answer)
			}
		}
	}
	if want := []string{"own", "sec%20ond"}; !slices.Equal(got, want) {
		t.Errorf("projects asked about are %q, want %q", got, want)
	}
}
