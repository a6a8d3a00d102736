// Package standintest serves a stand-in upstream to the code under test without a
// network, so that a test can run in a bubble of testing/synctest.
package standintest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/daemon/standin"
)

// Dialer connects to an upstream, whatever the address is.
type Dialer func(ctx context.Context, network, address string) (net.Conn, error)

// Serve answers as s to each connection that the Dialer makes, until the test ends.
// All connections must be closed by then.
func Serve(t testing.TB, s *standin.Standin) Dialer {
	ln := &pipes{ends: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.RemoteAddr = "127.0.0.1:1" // pipes have no address
		s.ServeHTTP(w, r)
	})}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(ln)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-ended
	})
	return ln.dial
}

// KeyID returns the id of the key that a token of the stand-in names. A token that
// names none fails the test.
func KeyID(t testing.TB, token string) string {
	t.Helper()
	head, _, _ := strings.Cut(token, ".")
	text, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil {
		t.Fatal(err)
	}
	var header struct{ Kid string }
	if err := json.Unmarshal(text, &header); err != nil || header.Kid == "" {
		t.Fatalf("the token names no key: %s: %v", text, err)
	}
	return header.Kid
}

// pipes is a listener whose connections are pipes within the process.
type pipes struct {
	ends   chan net.Conn
	closed chan struct{}
}

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.ends <- theirs:
		return ours, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// Accept is for the server.
func (p *pipes) Accept() (net.Conn, error) {
	select {
	case nc := <-p.ends:
		return nc, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept and dialing. The server calls it once.
func (p *pipes) Close() error {
	close(p.closed)
	return nil
}

// Addr is an address of no network.
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes", Net: "unix"} }
