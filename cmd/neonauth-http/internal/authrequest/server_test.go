package authrequest

import (
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// onePipe is a listener with one connection.
type onePipe struct {
	conns chan net.Conn
	done  chan struct{}
}

func (l *onePipe) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}
func (l *onePipe) Close() error   { close(l.done); return nil }
func (l *onePipe) Addr() net.Addr { return &net.UnixAddr{} }

// TestARequestThatStopsInItsHeadIsCutOff: its head may take two seconds, its body more.
func TestARequestThatStopsInItsHeadIsCutOff(t *testing.T) {
	for name, c := range map[string]struct {
		sent string
		want time.Duration
	}{
		"nothing sent":     {"", headTimeout},
		"half a head":      {"GET /nginx HTTP/1.1\r\nHost: a\r\n", headTimeout},
		"a head, no body":  {"POST /nginx HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n", readTimeout},
		"half of the body": {"POST /nginx HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n1234", readTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ours, theirs := net.Pipe()
				l := &onePipe{make(chan net.Conn, 1), make(chan struct{})}
				l.conns <- ours
				var read time.Duration // when reading the body ended; zero: there was no request
				began := time.Now()
				s := NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					_, _ = io.ReadAll(r.Body)
					read = time.Since(began)
				}))
				served := make(chan error, 1)
				go func() { served <- s.Serve(l) }()
				_, _ = io.WriteString(theirs, c.sent)
				_, _ = io.Copy(io.Discard, theirs)
				took := time.Since(began)
				if read > 0 {
					took = read // the reply to it comes later
				}
				if took != c.want {
					t.Errorf("cut off after %s, want %s", took, c.want)
				}
				_ = s.Close()
				<-served
			})
		})
	}
}
