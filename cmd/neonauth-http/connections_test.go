package main

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"testing"

	"github.com/neonauthd/neonauthd/cmd/neonauth-http/internal/authrequest"
)

// A connection serves many requests, and one too many connections is refused.
func TestConnectionsAreKeptAndBounded(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := authrequest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	refused := make(chan struct{}, 1)
	go func() { _ = server.Serve(bound(ln, 1, func() { refused <- struct{}{} })) }() // ends with the test
	t.Cleanup(func() { _ = server.Close() })
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	for range 3 {
		fmt.Fprint(conn, "GET /nginx HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a.b.c\r\n\r\n")
		res, err := http.ReadResponse(in, nil)
		if err != nil || res.StatusCode != http.StatusNoContent {
			t.Fatal(res, err)
		}
		res.Body.Close()
	}
	second, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	<-refused
}
