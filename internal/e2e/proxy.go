package e2e

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// Proxy is an outgoing proxy with CONNECT. Set its fields before the first
// request; only SetAnswer may be called later.
type Proxy struct {
	net.Listener
	// Leads maps the requested HOST:PORT to the HOST:PORT to connect to. Hosts
	// that are not in it are resolved by name.
	Leads map[string]string
	// Answer is what it sends instead of connecting; empty: it connects.
	Answer string
	// Silent makes it send no answer.
	Silent bool

	mu    sync.Mutex
	asked []string
}

// NewProxy starts a proxy, over TLS if secure is not nil, until the end of the test.
func NewProxy(t testing.TB, secure *tls.Config) *Proxy {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if secure != nil {
		ln = tls.NewListener(ln, secure)
	}
	p := &Proxy{Listener: ln, Leads: map[string]string{}}
	var group sync.WaitGroup
	ctx, stop := context.WithCancel(context.Background())
	group.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			group.Go(func() { p.serve(ctx, conn) })
		}
	})
	t.Cleanup(func() {
		stop()
		_ = ln.Close()
		group.Wait()
	})
	return p
}

// Address returns HOST:PORT of the proxy.
func (p *Proxy) Address() string { return p.Addr().String() }

// SetAnswer makes the proxy send this answer instead of connecting, from now
// on.
func (p *Proxy) SetAnswer(answer string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Answer = answer
}

// Asked returns the requests so far: method, HOST:PORT, and Proxy-Authorization
// if there was one.
func (p *Proxy) Asked() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string{}, p.asked...)
}

// serve answers one request.
func (p *Proxy) serve(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	in := bufio.NewReader(conn)
	r, err := http.ReadRequest(in)
	if err != nil {
		return
	}
	p.mu.Lock()
	p.asked = append(p.asked, strings.TrimSpace(r.Method+" "+r.Host+" "+r.Header.Get("Proxy-Authorization")))
	to, answer, silent := p.Leads[r.Host], p.Answer, p.Silent
	p.mu.Unlock()
	switch {
	case silent:
		<-ctx.Done()
	case answer != "":
		_, _ = io.WriteString(conn, answer)
		_, _ = io.Copy(io.Discard, in)
	case to == "":
		tunnel(conn, in, r.Host)
	default:
		tunnel(conn, in, to)
	}
}

// tunnel connects to an address and copies in both directions until one end is
// closed.
func tunnel(conn net.Conn, in io.Reader, to string) {
	out, err := net.DialTimeout("tcp", to, Timeout)
	if err != nil {
		_, _ = io.WriteString(conn, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
		return
	}
	defer out.Close()
	_, _ = io.WriteString(conn, "HTTP/1.1 200 Connection established\r\n\r\n")
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(out, in)
		_ = out.Close()
	}()
	_, _ = io.Copy(conn, out)
	_ = conn.Close()
	<-done
}
