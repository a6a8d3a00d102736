package upstream

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"
)

// raw starts a server that calls talk for every connection. talk ends at the
// latest with the test.
func raw(t *testing.T, talk func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	over, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			stop := make(chan struct{})
			go func() {
				select {
				case <-over:
				case <-stop:
				}
				_ = conn.Close()
			}()
			talk(conn)
			close(stop)
		}
	}()
	t.Cleanup(func() {
		close(over)
		_ = l.Close()
		<-done
	})
	return "http://" + l.Addr().String()
}

// hear reads the request's head, so that what follows is an answer to it.
func hear(conn net.Conn) {
	var seen []byte
	one := make([]byte, 1)
	for !bytes.HasSuffix(seen, []byte("\r\n\r\n")) {
		if _, err := conn.Read(one); err != nil {
			return
		}
		seen = append(seen, one[0])
	}
}

// hold keeps the connection open until the other side or the test ends it.
func hold(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

const okHead = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"

const switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: canary\r\n\r\n"

func zipped(size int) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(bytes.Repeat([]byte(" "), size))
	_ = w.Close()
	return b.Bytes()
}

// pour writes chunk again and again until the other side closes the connection.
func pour(conn net.Conn, chunk string) {
	b := []byte(chunk)
	for {
		if _, err := conn.Write(b); err != nil {
			return
		}
	}
}

// trickle is pour with a pause before each chunk, much shorter than any timeout.
func trickle(conn net.Conn, chunk string) {
	for ticker := time.NewTicker(short / 10); ; <-ticker.C {
		if _, err := io.WriteString(conn, chunk); err != nil {
			ticker.Stop()
			return
		}
	}
}

func TestHostileAnswersEndInTimeWithoutAVerdict(t *testing.T) {
	chunk := fmt.Sprintf("%x\r\n%s\r\n", 32<<10, strings.Repeat("x", 32<<10))
	bomb := zipped(2 * MaxProfileBody)
	tests := []struct {
		name    string
		talk    func(net.Conn)
		overdue bool // only the time limit ends it
		counts  bool // against the upstream's health
	}{
		{"endless body", func(c net.Conn) { hear(c); fmt.Fprint(c, okHead+"Transfer-Encoding: chunked\r\n\r\n"); pour(c, chunk) }, false, false},
		{"announced size", func(c net.Conn) { hear(c); fmt.Fprint(c, okHead+"Content-Length: 1099511627776\r\n\r\n{"); hold(c) }, false, false},
		{"gzip bomb", func(c net.Conn) {
			hear(c)
			fmt.Fprintf(c, okHead+"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", len(bomb), bomb)
		}, false, false},
		{"unknown encoding", func(c net.Conn) { hear(c); fmt.Fprint(c, okHead+"Content-Encoding: br\r\nContent-Length: 2\r\n\r\n{}") }, false, false},
		{"endless header", func(c net.Conn) { hear(c); fmt.Fprint(c, okHead); pour(c, "X-More: "+strings.Repeat("x", 1000)+"\r\n") }, false, true},
		{"endless header line", func(c net.Conn) { hear(c); fmt.Fprint(c, okHead+"X-More: "); pour(c, strings.Repeat("x", 1000)) }, false, true},
		{"endless interim answers", func(c net.Conn) { hear(c); pour(c, "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n") }, false, true},
		{"endless new protocol", func(c net.Conn) { hear(c); fmt.Fprint(c, switching); pour(c, chunk) }, false, false},
		{"silent new protocol", func(c net.Conn) { hear(c); fmt.Fprint(c, switching); hold(c) }, false, false},
		{"new protocol without a name", func(c net.Conn) { hear(c); fmt.Fprint(c, "HTTP/1.1 101 Switching Protocols\r\n\r\n"); hold(c) }, false, false},
		{"slow interim answers", func(c net.Conn) { hear(c); trickle(c, "HTTP/1.1 100 Continue\r\n\r\n") }, true, true},
		{"slow header", func(c net.Conn) { hear(c); fmt.Fprint(c, okHead+"X-More: "); trickle(c, "x") }, true, true},
		{"slow body", func(c net.Conn) { hear(c); fmt.Fprint(c, okHead+"Content-Length: 100000\r\n\r\n"); trickle(c, " ") }, true, true},
		{"slow body of a denial", func(c net.Conn) {
			hear(c)
			fmt.Fprint(c, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 10000\r\n\r\n")
			trickle(c, " ")
		}, true, true},
		{"cut off", func(c net.Conn) { hear(c); fmt.Fprint(c, okHead+"Content-Length: 1000\r\n\r\n{\"id\":") }, false, true},
		{"cut off between chunks", func(c net.Conn) { hear(c); fmt.Fprint(c, okHead+"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n") }, false, true},
		{"reset", func(c net.Conn) { hear(c); _ = c.(*net.TCPConn).SetLinger(0) }, false, true},
		{"closed at once", func(net.Conn) {}, false, true},
		{"not HTTP", func(c net.Conn) { hear(c); fmt.Fprint(c, "SSH-2.0-canary canary canary\r\n") }, false, true},
		{"odd header", func(c net.Conn) { hear(c); fmt.Fprint(c, "HTTP/1.1 200 OK\r\ncanary canary canary\r\n\r\n") }, false, true},
		{"hang before the header", func(c net.Conn) { hear(c); hold(c) }, true, true},
		{"hang in the header", func(c net.Conn) { hear(c); fmt.Fprint(c, okHead); hold(c) }, true, true},
		{"hang in the body", func(c net.Conn) { hear(c); fmt.Fprint(c, okHead+"Content-Length: 10\r\n\r\n{"); hold(c) }, true, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			url := raw(t, test.talk)
			for _, ask := range []struct {
				name string
				do   func(*Client) error
			}{
				{"keyset", func(c *Client) error { _, err := c.Keyset(context.Background(), Validators{}); return err }},
				{"profile", func(c *Client) error { _, err := profile(c); return err }},
			} {
				config := stackConfig(url)
				config.Timeout = 20 * time.Second
				if test.overdue {
					config.Timeout = short
				}
				began := time.Now()
				e := want(t, ask.do(open(t, config)), Unavailable, "")
				if took := time.Since(began); took > 10*time.Second {
					t.Errorf("%s took %v", ask.name, took)
				}
				if test.overdue && !strings.Contains(e.Error(), "in time") {
					t.Errorf("%s: not told as overdue: %v", ask.name, e)
				}
				if (e.outcome == failed) != test.counts {
					t.Errorf("%s: counts against the upstream: %v, want %v (%v)", ask.name, e.outcome == failed, test.counts, e)
				}
				if strings.Contains(e.Error(), "canary") || strings.Contains(fmt.Sprint(errors.Unwrap(e)), "canary") {
					t.Errorf("the error repeats what the network said: %v", e)
				}
			}
		})
	}
}

func TestADrippingBodyIsCutAtTheTimeout(t *testing.T) {
	drip := make(chan struct{}, 1)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for {
			_, _ = io.WriteString(w, " ")
			w.(http.Flusher).Flush()
			select {
			case <-r.Context().Done():
				drip <- struct{}{}
				return
			case <-time.After(time.Millisecond):
			}
		}
	})
	config := stackConfig(s.URL)
	config.Timeout = short
	_, err := open(t, config).Keyset(context.Background(), Validators{})
	e := want(t, err, Unavailable, "")
	if !errors.Is(e, context.DeadlineExceeded) {
		t.Errorf("got %v", e)
	}
	<-drip // the connection was closed, not left to drip on
}

func TestBodiesAreAcceptedUpToTheirLimitExactly(t *testing.T) {
	head := `{"id":"` + stackUser + `","pad":"`
	tests := []struct {
		name  string
		limit int
		ask   func(*Client) (int, error)
	}{
		{"keyset", MaxKeysetBody, func(c *Client) (int, error) {
			k, err := c.Keyset(context.Background(), Validators{})
			return len(k.Body), err
		}},
		{"profile", MaxProfileBody, func(c *Client) (int, error) {
			p, err := profile(c)
			return len(p.Body), err
		}},
	}
	for _, test := range tests {
		for _, size := range []int{test.limit - 1, test.limit, test.limit + 1} {
			for _, chunked := range []bool{false, true} {
				t.Run(fmt.Sprint(test.name, size-test.limit, chunked), func(t *testing.T) {
					body := head + strings.Repeat("x", size-len(head)-2) + `"}`
					s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
						w.Header().Set("Content-Type", "application/json")
						if chunked {
							w.(http.Flusher).Flush()
						} else {
							w.Header().Set("Content-Length", fmt.Sprint(size))
						}
						_, _ = io.WriteString(w, body)
					})
					config := stackConfig(s.URL)
					config.Timeout = 20 * time.Second
					n, err := test.ask(open(t, config))
					if size <= test.limit {
						if err != nil || n != size {
							t.Fatalf("got %d bytes, %v", n, err)
						}
						return
					}
					if e := want(t, err, Unavailable, ""); !strings.HasSuffix(e.Error(), fmt.Sprintf("the body has more than %d bytes", test.limit)) {
						t.Errorf("%v does not name the limit", e)
					}
				})
			}
		}
	}
}

func TestAnEndlessKeySetCostsLittleMemory(t *testing.T) {
	chunk := fmt.Sprintf("%x\r\n%s\r\n", 32<<10, strings.Repeat("x", 32<<10))
	url := raw(t, func(c net.Conn) { hear(c); fmt.Fprint(c, okHead+"Transfer-Encoding: chunked\r\n\r\n"); pour(c, chunk) })
	c := open(t, stackConfig(url))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := c.Keyset(context.Background(), Validators{})
	runtime.ReadMemStats(&after)
	want(t, err, Unavailable, "")
	if grew := after.TotalAlloc - before.TotalAlloc; grew > 2<<20 {
		t.Errorf("allocated %d bytes", grew)
	}
}

func TestDeeplyNestedProfilesAreNotRead(t *testing.T) {
	nest := func(n int) string {
		return `{"id":"` + stackUser + `","m":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}`
	}
	for _, test := range []struct {
		levels int
		ok     bool
	}{{maxDepth - 1, true}, {maxDepth, false}, {1_000_000, false}} {
		c := open(t, stackConfig(serve(t, reply(200, jsonType, nest(test.levels))).URL))
		if _, err := profile(c); (err == nil) != test.ok {
			t.Errorf("%d levels: %v", test.levels, err)
		} else if err != nil {
			want(t, err, Unavailable, "")
		}
	}
}

// TestASlowAnswerOverHTTP2EndsInTime, whether its header or its body is slow.
func TestASlowAnswerOverHTTP2EndsInTime(t *testing.T) {
	for name, head := range map[string]int{"interim answers": 0, "body of 200": 200, "body of 401": 401, "body of 503": 503} {
		t.Run(name, func(t *testing.T) {
			s := serveTLS(t, func(w http.ResponseWriter, r *http.Request) {
				if head != 0 {
					w.WriteHeader(head)
				}
				ticker := time.NewTicker(short / 10)
				defer ticker.Stop()
				for r.Context().Err() == nil {
					if head == 0 {
						w.WriteHeader(http.StatusEarlyHints)
					} else if _, err := io.WriteString(w, " "); err != nil || http.NewResponseController(w).Flush() != nil {
						return
					}
					<-ticker.C
				}
			}, nil, true)
			config := stackConfig(s.URL)
			config.Transport.Authorities, config.Timeout = pool(s), short
			_, err := profile(open(t, config))
			e := want(t, err, Unavailable, "")
			if e.outcome != failed || head == 503 && e.Status != 503 || head != 503 && !strings.Contains(e.Error(), "in time") {
				t.Errorf("got %v, counts %v", e, e.outcome == failed)
			}
		})
	}
}

// TestAFailureIsJudgedByItsHead, also if its body is slow, cut off or encoded: its Retry-After counts.
func TestAFailureIsJudgedByItsHead(t *testing.T) {
	for body, talk := range map[string]func(net.Conn){
		"whole":           func(c net.Conn) { fmt.Fprint(c, "Content-Length: 2\r\n\r\n{}") },
		"cut off":         func(c net.Conn) { fmt.Fprint(c, "Content-Length: 100\r\n\r\n{}") },
		"cut off chunk":   func(c net.Conn) { fmt.Fprint(c, "Transfer-Encoding: chunked\r\n\r\n5\r\nab") },
		"broken chunk":    func(c net.Conn) { fmt.Fprint(c, "Transfer-Encoding: chunked\r\n\r\ncanary\r\n") },
		"silent":          func(c net.Conn) { fmt.Fprint(c, "Content-Length: 100\r\n\r\n"); hold(c) },
		"slow":            func(c net.Conn) { fmt.Fprint(c, "Content-Length: 100000\r\n\r\n"); trickle(c, " ") },
		"endless":         func(c net.Conn) { fmt.Fprint(c, "\r\n"); pour(c, strings.Repeat("x", 4096)) },
		"of another code": func(c net.Conn) { fmt.Fprint(c, "Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}") },
	} {
		for _, status := range []int{408, 425, 429, 500, 503, 599} {
			t.Run(fmt.Sprintf("%s %d", body, status), func(t *testing.T) {
				url := raw(t, func(c net.Conn) {
					hear(c)
					fmt.Fprintf(c, "HTTP/1.1 %d canary\r\nRetry-After: 60\r\n", status)
					talk(c)
				})
				c := open(t, stackConfig(url))
				_, err := profile(c)
				if e := want(t, err, Unavailable, ""); e.Status != status || e.RetryAfter != time.Minute {
					t.Errorf("status %d, retry after %v: %v", e.Status, e.RetryAfter, e)
				}
				_, err = profile(c)
				if e := want(t, err, Unavailable, ""); !e.Local || e.RetryAfter <= 0 {
					t.Errorf("not refused: %+v", e)
				}
				_, err = c.Keyset(context.Background(), Validators{})
				if e := want(t, err, Unavailable, ""); e.Status != status || e.RetryAfter != time.Minute {
					t.Errorf("keys: status %d, retry after %v: %v", e.Status, e.RetryAfter, e)
				}
			})
		}
	}
}
