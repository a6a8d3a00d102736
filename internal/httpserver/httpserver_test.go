package httpserver

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/neonauthd/neonauthd/internal/e2e/pipes"
)

func limits() Limits {
	return Limits{Read: 5 * time.Second, Write: 10 * time.Second, Idle: time.Minute, Header: 1 << 10}
}

// serve serves h, and returns a function that connects, and the server.
func serve(t *testing.T, h http.HandlerFunc) (dial func() net.Conn, s *http.Server) {
	t.Helper()
	ln := pipes.Listen()
	s = New(h, limits())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ln) }()
	t.Cleanup(func() {
		_ = s.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
		time.Sleep(time.Minute) // time for handlers that were cut off, and connections that linger, to end in the bubble
	})
	return func() net.Conn {
		nc, err := ln.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return nc
	}, s
}

func TestAConnectionEndsByItsLimits(t *testing.T) {
	for name, test := range map[string]struct {
		sent string
		ends time.Duration
	}{
		"nothing is sent":           {"", limits().Read},
		"half of a header is sent":  {"GET / HTTP/1.1\r\nHost: a\r\nX-", limits().Read},
		"half of a body is sent":    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n1", limits().Read},
		"no second request is sent": {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", limits().Idle},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dial, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
					_, _ = bufio.NewReader(r.Body).ReadString('\n')
				})
				c, began := dial(), time.Now()
				_, _ = c.Write([]byte(test.sent))
				for buffer := make([]byte, 512); ; {
					if _, err := c.Read(buffer); err != nil {
						break
					}
				}
				if took := time.Since(began); took < test.ends || took > test.ends+time.Second {
					t.Errorf("it ended after %v, want %v", took, test.ends)
				}
			})
		})
	}
}

func TestAHeaderOfSoManyBytesIsTaken(t *testing.T) {
	const slack = 4096 // bytes that net/http adds
	synctest.Test(t, func(t *testing.T) {
		dial, _ := serve(t, func(http.ResponseWriter, *http.Request) {})
		for _, n := range []int{-1, 0, 1} {
			c := dial()
			head, tail := "GET / HTTP/1.1\r\nHost: a\r\nX: ", "\r\n\r\n"
			go func() {
				_, _ = fmt.Fprint(c, head, strings.Repeat("x", limits().Header+slack+n-len(head)-len(tail)), tail)
			}()
			reply, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			if taken := reply.StatusCode == http.StatusOK; taken != (n <= 0) {
				t.Errorf("%+d bytes: %s", n, reply.Status)
			}
			_ = c.Close()
		}
	})
}

func TestOptionsOfTheServerAreTheHandlers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dial, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
		c := dial()
		_, _ = fmt.Fprint(c, "OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		reply, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || reply.StatusCode != http.StatusTeapot {
			t.Fatal(reply, err)
		}
	})
}

func TestDrainAnswersWhatIsUnderWayAndCutsWhatTakesTooLong(t *testing.T) {
	const grace = 3 * time.Second
	for _, takes := range []time.Duration{grace - time.Second, grace + time.Second} { // net/http checks only from time to time
		synctest.Test(t, func(t *testing.T) {
			dial, s := serve(t, func(http.ResponseWriter, *http.Request) { time.Sleep(takes) })
			c := dial()
			_, _ = fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			drained := make(chan error, 1)
			go func() { synctest.Wait(); drained <- Drain(s, grace) }()
			_, err := http.ReadResponse(bufio.NewReader(c), nil)
			if answered := err == nil; answered != (takes < grace) {
				t.Errorf("of %v, in %v: %v", takes, grace, err)
			}
			if err := <-drained; (err == nil) != (takes < grace) {
				t.Errorf("of %v, in %v, Drain says %v", takes, grace, err)
			}
		})
	}
}
