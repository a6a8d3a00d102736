package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/neonauthd/neonauthd/cmd/neonauth-http/internal/authrequest"
	"github.com/neonauthd/neonauthd/cmd/neonauth-http/internal/logout"
	"github.com/neonauthd/neonauthd/internal/connlimit"
	"github.com/neonauthd/neonauthd/internal/e2e/pipes"
)

// TestConnectionsAreKeptAndBounded: a connection serves many requests, and keeps its place
// among clients that connect again and again and send half a request.
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
			synctest.Test(t, func(t *testing.T) { connectionsAreKeptAndBounded(t, c.make, c.request) })
		})
	}
}

func connectionsAreKeptAndBounded(t *testing.T, newServer func(http.Handler) *http.Server, request string) {
	const limit = 3
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	defer all.Wait()
	defer stop()
	server := newServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusNoContent)
	}))
	var removed atomic.Int64
	dials := pipes.Listen()
	ln := connlimit.Bound(server, dials, limit, func() { removed.Add(1) })
	all.Go(func() { _ = server.Serve(ln) })
	defer server.Close()
	kept, err := dials.Dial(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	for range 2 * limit {
		all.Go(func() {
			for ctx.Err() == nil {
				sendHalf(ctx, dials, request)
			}
		})
	}
	in := bufio.NewReader(kept)
	for n := range 5 * limit {
		fmt.Fprint(kept, request)
		res, err := http.ReadResponse(in, nil)
		if err != nil || res.StatusCode != http.StatusNoContent {
			t.Fatalf("request %d, beside the others: %v %v", n+1, res, err)
		}
		res.Body.Close()
		time.Sleep(connlimit.Lead / 2)
	}
	if removed.Load() == 0 {
		t.Error("there were never too many")
	}
}

// sendHalf connects, sends the request without its last byte, and waits until the server
// closes the connection or ctx ends.
func sendHalf(ctx context.Context, dials *pipes.Listener, request string) {
	nc, err := dials.Dial(ctx)
	if err != nil {
		return
	}
	defer nc.Close()
	defer context.AfterFunc(ctx, func() { _ = nc.Close() })()
	fmt.Fprint(nc, request[:len(request)-1])
	_, _ = io.Copy(io.Discard, nc)
}
