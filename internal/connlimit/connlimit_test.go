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
)

// rig is a server with a bound, on pipes. It has to be made within synctest.Test.
type rig struct {
	t       *testing.T
	dials   chan net.Conn
	server  *http.Server
	removed int
	handle  func(http.ResponseWriter, *http.Request)
}

func newRig(t *testing.T, limit int) *rig {
	t.Helper()
	r := &rig{t: t, dials: make(chan net.Conn), handle: func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }}
	r.server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { r.handle(w, req) })}
	var mu sync.Mutex
	ln := Bound(r.server, &pipes{dials: r.dials, closed: make(chan struct{})}, limit, func() { mu.Lock(); r.removed++; mu.Unlock() })
	ended := make(chan struct{})
	go func() { defer close(ended); _ = r.server.Serve(ln) }()
	t.Cleanup(func() {
		_ = r.server.Close()
		<-ended
		time.Sleep(time.Second) // net/http lingers before it closes
	})
	return r
}

// pipes is a listener.
type pipes struct {
	dials  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.dials:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes"} }

// peer is the other end of a connection. What the server sends is read and kept.
type peer struct {
	net.Conn
	mu     sync.Mutex
	got    strings.Builder
	ending bool // the server has closed it
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

// dialDeaf is dial of a peer that reads nothing.
func (r *rig) dialDeaf() *peer {
	r.t.Helper()
	ours, theirs := net.Pipe()
	r.t.Cleanup(func() { _ = ours.Close() })
	r.dials <- theirs
	synctest.Wait()
	return &peer{Conn: ours}
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

// TestThereAreAsManyConnectionsAsItSays, and one more takes the place of another.
func TestThereAreAsManyConnectionsAsItSays(t *testing.T) {
	const limit = 3
	for n := limit - 1; n <= limit+1; n++ {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, limit)
			var all []*peer
			for range n {
				all = append(all, r.dial())
				time.Sleep(time.Millisecond)
			}
			for i, p := range all {
				if want := i < n-limit; p.ended() != want {
					t.Errorf("%d connections: the %d. is closed: %t", n, i+1, !want)
				}
			}
			if want := max(0, n-limit); r.removed != want {
				t.Errorf("%d connections: %d removed", n, r.removed)
			}
			_ = all[n-1].Close() // its place is free again
			synctest.Wait()
			before := r.removed
			if p := r.dial(); p.ended() || r.removed != before {
				t.Errorf("%d connections: the place of a closed one is not free", n)
			}
		})
	}
}

// What a peer does for a second or two.

func (p *peer) isSilent() { time.Sleep(time.Second) }

func (p *peer) asks() { p.send(whole); time.Sleep(time.Second) }

func (p *peer) sendsHalfAHead() { p.send(whole[:len(whole)/2]); time.Sleep(time.Second) }

func (p *peer) sendsTwiceThePace() {
	p.send(post(1 << 20))
	for range 20 {
		p.send(strings.Repeat("x", Pace/10))
		time.Sleep(time.Second / 20)
	}
}

func (p *peer) sendsBytes() {
	p.send(post(100))
	for range 20 {
		p.send("x")
		time.Sleep(time.Second / 10)
	}
}

func (p *peer) sendsMuchAndStops() {
	p.send(post(1<<20) + strings.Repeat("x", 1<<19))
	time.Sleep(Lead + time.Second)
}

// TestWhoKeepsWaitingMostMakesRoom, of three connections of which each has done something
// for a while, one after the other.
func TestWhoKeepsWaitingMostMakesRoom(t *testing.T) {
	for name, do := range map[string][3]func(*peer){
		"of silent ones the oldest":                  {(*peer).isSilent, (*peer).isSilent, (*peer).isSilent},
		"one that brings its head slowly":            {(*peer).sendsHalfAHead, (*peer).isSilent, (*peer).asks},
		"one that brings its body slowly":            {(*peer).sendsBytes, (*peer).sendsTwiceThePace, (*peer).asks},
		"one that has brought much and nothing more": {(*peer).sendsMuchAndStops, (*peer).isSilent, (*peer).sendsTwiceThePace},
		"one that has been idle longest":             {(*peer).asks, (*peer).asks, (*peer).sendsHalfAHead},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, 3)
				var all []*peer
				for _, does := range do {
					p := r.dial()
					all = append(all, p)
					does(p)
				}
				r.dial()
				if !all[0].ended() || all[1].ended() || all[2].ended() {
					t.Errorf("closed: %t, %t, %t; it is the first that has to make room", all[0].ended(), all[1].ended(), all[2].ended())
				}
			})
		})
	}
}

// TestAWholeRequestKeepsItsPlaceUntilItIsAnswered, with a body or without; if all are
// being answered it is the new connection that is closed.
func TestAWholeRequestKeepsItsPlaceUntilItIsAnswered(t *testing.T) {
	for _, request := range []string{whole, post(5) + "12345", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, 2)
			release := make(chan struct{})
			r.handle = func(_ http.ResponseWriter, req *http.Request) {
				_, _ = io.Copy(io.Discard, req.Body)
				<-release
			}
			first, second := r.dial(), r.dial()
			first.send(request)
			time.Sleep(time.Second)
			second.send(request)
			time.Sleep(time.Second)
			if third := r.dial(); !third.ended() || r.removed != 1 {
				t.Error("a third one has a place")
			}
			close(release)
			if !first.answered(1) || !second.answered(1) {
				t.Error("they are not answered")
			}
			if third := r.dial(); third.ended() || !first.ended() == !second.ended() {
				t.Error("one that is answered and silent has to make room")
			}
		})
	}
}

// TestWhoDoesNotReadItsAnswerMakesRoom, and who reads it slowly is waited for.
func TestWhoDoesNotReadItsAnswerMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1)
		deaf := r.dialDeaf()
		deaf.send(whole)
		time.Sleep(time.Second)
		p := r.dial()
		if p.send(whole); !p.answered(1) {
			t.Error("one that does not read keeps others out")
		}
	})
}

// TestARequestKeepsAConnectionAlive: what was idle for long and asks again is as good as
// a new one.
func TestARequestKeepsAConnectionAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 2)
		kept, other := r.dial(), r.dial()
		for n := 1; n <= 3; n++ {
			time.Sleep(time.Second)
			if kept.send(whole); !kept.answered(n) {
				t.Fatalf("request %d is not answered", n)
			}
			next := r.dial()
			if !other.ended() || kept.ended() {
				t.Fatalf("after request %d another one has to make room", n)
			}
			other = next
		}
	})
}

// TestAPlaceIsHandedOverWhenItIsLeft, so that there are never more than there can be.
func TestAPlaceIsHandedOverWhenItIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPlaces(2)
		conn := func() *Conn {
			ours, theirs := net.Pipe()
			t.Cleanup(func() { _ = theirs.Close() })
			return &Conn{Conn: ours, removed: func() {}, began: time.Now()}
		}
		first, second := conn(), conn()
		second.kept.Store(1)
		places := []*Place{p.Take(first), p.Take(second)}
		var third *Place
		go func() { third = p.Take(conn()) }()
		synctest.Wait()
		if third != nil {
			t.Fatal("there are three")
		}
		if _, err := first.Write([]byte("x")); err == nil {
			t.Error("the first is not closed")
		}
		places[0].Leave()
		places[0].Leave() // does no harm
		synctest.Wait()
		if third == nil {
			t.Fatal("the place is not handed over")
		}
		second.answer()
		third.conn.answer()
		if p.Take(conn()) != nil {
			t.Error("a place was taken from one that is not waited for")
		}
		third.Leave()
		if p.Take(nil) == nil {
			t.Error("there is no place though one was left")
		}
		if p.Take(conn()) != nil {
			t.Error("a place was taken from one that is not known")
		}
		(*Place)(nil).Leave()
	})
}

func TestAConnectionThatIsNotCountedIsNone(t *testing.T) {
	t.Parallel()
	if c := From(t.Context()); c != nil {
		t.Error(c)
	}
}

// TestAnAnswerArrivesThoughTheRequestIsNotReadWhole, as without the bound: net/http ends
// one direction first, or the peer has a reset in place of the answer.
func TestAnAnswerArrivesThoughTheRequestIsNotReadWhole(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })}
	bounded := Bound(server, ln, 1, func() {})
	ended := make(chan struct{})
	go func() { defer close(ended); _ = server.Serve(bounded) }()
	t.Cleanup(func() { _ = server.Close(); <-ended })
	nc, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(time.Minute))
	const discarded = 256 << 10 // what net/http reads of a body that nobody wants
	if _, err := io.WriteString(nc, post(8*discarded)+strings.Repeat("x", 2*discarded)); err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(nc)
	if !strings.HasPrefix(string(text), "HTTP/1.1 403") || err != nil {
		t.Errorf("%q %v", text, err)
	}
}
