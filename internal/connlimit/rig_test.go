package connlimit

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/neonauthd/neonauthd/internal/e2e/pipes"
)

// rig is a server with a bound, on pipes. It has to be made within synctest.Test.
type rig struct {
	t       *testing.T
	ln      *pipes.Listener
	server  *http.Server
	removed int
	handle  func(http.ResponseWriter, *http.Request)
}

func newRig(t *testing.T, limit int) *rig {
	t.Helper()
	r := &rig{t: t, ln: pipes.Listen(), handle: func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }}
	r.server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { r.handle(w, req) })}
	var mu sync.Mutex
	ln := Bound(r.server, r.ln, limit, func() { mu.Lock(); r.removed++; mu.Unlock() })
	ended := make(chan struct{})
	go func() { defer close(ended); _ = r.server.Serve(ln) }()
	t.Cleanup(func() {
		_ = r.server.Close()
		<-ended
		time.Sleep(time.Second) // net/http lingers before it closes
	})
	return r
}

// peer is the other end of a connection. It reads and keeps everything that the
// server sends.
type peer struct {
	net.Conn
	mu     sync.Mutex
	got    strings.Builder
	ending bool // the server has closed the connection
}

func (r *rig) dial() *peer {
	r.t.Helper()
	p := r.dialDeaf()
	go func() {
		in := bufio.NewReader(p)
		for {
			b, err := in.ReadByte()
			p.mu.Lock()
			p.ending = err != nil
			if err == nil {
				p.got.WriteByte(b)
			}
			p.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return p
}

// dialDeaf is dial for a peer that reads nothing.
func (r *rig) dialDeaf() *peer {
	r.t.Helper()
	nc, err := r.ln.Dial(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = nc.Close() })
	synctest.Wait()
	return &peer{Conn: nc}
}

// send sends without waiting for the server to read.
func (p *peer) send(text string) {
	go func() { _, _ = io.WriteString(p, text) }()
	synctest.Wait()
}

func (p *peer) ended() bool {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ending
}

func (p *peer) answered(times int) bool {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Count(p.got.String(), "HTTP/1.1 200 OK") == times
}

const whole = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

func post(length int) string {
	return fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", length)
}
