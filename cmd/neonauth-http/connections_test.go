package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/cmd/neonauth-http/internal/authrequest"
	"github.com/neonauthd/neonauthd/cmd/neonauth-http/internal/logout"
	"github.com/neonauthd/neonauthd/internal/connlimit"
)

// patience is for what is sure to come, on a slow machine too.
const patience = time.Minute

// TestConnectionsAreKeptAndBounded: one serves many requests, and one too many takes the
// place of the one that says nothing.
func TestConnectionsAreKeptAndBounded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		make    func(http.Handler) *http.Server
		request string
	}{
		"for web servers": {authrequest.NewServer, "GET /nginx HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a.b.c\r\n\r\n"},
		"for issuers":     {logout.NewServer, "POST /logout/main HTTP/1.1\r\nHost: x\r\nContent-Length: 14\r\n\r\nlogout_token=a"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			server := c.make(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				w.WriteHeader(http.StatusNoContent)
			}))
			const limit = 3
			var removed atomic.Int64
			accepted := make(chan struct{}, 1)
			ln = connlimit.Bound(server, &telling{ln, accepted}, limit, func() { removed.Add(1) })
			go func() { _ = server.Serve(ln) }() // ends with the test
			t.Cleanup(func() { _ = server.Close() })
			dial := func() net.Conn {
				nc, err := net.Dial("tcp", ln.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = nc.Close() })
				<-accepted
				_ = nc.SetDeadline(time.Now().Add(patience))
				return nc
			}
			kept := dial()
			in := bufio.NewReader(kept)
			for n := 1; n <= 5*limit; n++ {
				fmt.Fprint(kept, c.request)
				res, err := http.ReadResponse(in, nil)
				if err != nil || res.StatusCode != http.StatusNoContent {
					t.Fatalf("request %d, beside strangers: %v %v", n, res, err)
				}
				res.Body.Close()
				stranger := dial()
				fmt.Fprint(stranger, c.request[:len(c.request)-1])
			}
			if removed.Load() == 0 {
				t.Error("there were never too many")
			}
		})
	}
}

// telling is a listener that tells when a connection is accepted.
type telling struct {
	net.Listener
	accepted chan<- struct{}
}

func (l *telling) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err == nil {
		l.accepted <- struct{}{}
	}
	return nc, err
}
