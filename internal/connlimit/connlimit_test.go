package connlimit

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestThereAreAsManyConnectionsAsTheLimitSays, and a further one waits for a place.
func TestThereAreAsManyConnectionsAsTheLimitSays(t *testing.T) {
	const limit = 3
	for n := limit - 1; n <= limit+1; n++ {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, limit)
			var all []*peer
			for range n {
				all = append(all, r.dial())
				time.Sleep(time.Millisecond)
			}
			all[n-1].send(whole)
			if want := n <= limit; all[n-1].answered(1) != want {
				t.Errorf("%d connections: the last one is served: %t", n, !want)
			}
			_ = all[0].Close()
			if !all[n-1].answered(1) {
				t.Errorf("%d connections: the last one does not get the place of one that was closed", n)
			}
			if r.removed != 0 {
				t.Errorf("%d connections: %d lost their place, though one had become free", n, r.removed)
			}
		})
	}
}

// TestNobodyLosesAPlaceBeforeFallingBehind, at each step of a request: the peer has Lead
// for its head, for the beginning of its body, after an answer, and to read an answer.
func TestNobodyLosesAPlaceBeforeFallingBehind(t *testing.T) {
	for name, send := range map[string]string{
		"nothing":        "",
		"half a head":    "GET / HT",
		"a head":         post(100),
		"half a body":    post(100) + "x",
		"a whole one":    whole,
		"very much":      post(1<<20) + strings.Repeat("x", 1<<19),
		"not an HTTP/1.": "\x16\x03\x01",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, 1)
				p := r.dial()
				began := time.Now()
				p.send(send)
				next := r.dial()
				next.send(whole)
				time.Sleep(time.Until(began.Add(Lead - time.Nanosecond)))
				if p.ended() || next.answered(1) {
					t.Error("the connection has lost its place too soon")
				}
				time.Sleep(2 * time.Millisecond) // half a head has put it ahead by a little
				if !p.ended() || !next.answered(1) {
					t.Error("the connection has kept its place though its peer is behind")
				}
			})
		})
	}
}

// TestPeersThatComeBackAtOnceDriveNobodyOut, however many they are: a request that keeps
// the pace is answered, and new connections get their turn.
func TestPeersThatComeBackAtOnceDriveNobodyOut(t *testing.T) {
	for name, send := range map[string]string{"nothing": "", "half a head": "GET / HT", "a head": post(100)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, 4)
				ctx, stop := context.WithCancel(t.Context())
				var all sync.WaitGroup
				defer all.Wait()
				defer stop()
				for range 12 {
					all.Go(func() {
						for times := 0; ctx.Err() == nil && times < 1000; times++ {
							r.visit(ctx, send)
						}
					})
				}
				for n := range 5 {
					p := r.dial()
					_ = p.SetDeadline(time.Now().Add(time.Minute))
					part := strings.Repeat("x", Pace)
					for _, text := range []string{post(3 * Pace), part, part, part} {
						_, _ = io.WriteString(p, text) // waits until the server reads it
						time.Sleep(Lead - time.Millisecond)
					}
					if !p.answered(1) {
						t.Errorf("request %d is not answered", n+1)
					}
				}
			})
		})
	}
}

// visit connects, sends the text and then nothing, until ctx ends or the server closes.
func (r *rig) visit(ctx context.Context, text string) {
	nc, err := r.ln.Dial(ctx)
	if err != nil {
		return
	}
	defer nc.Close()
	defer context.AfterFunc(ctx, func() { _ = nc.Close() })()
	_, _ = io.WriteString(nc, text)
	_, _ = io.Copy(io.Discard, nc)
}

// TestAfterAWhileTheOneFurthestBehindMakesRoom, even if it keeps the pace like the
// others. Otherwise peers that just keep the pace would keep all others out.
func TestAfterAWhileTheOneFurthestBehindMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 2)
		ctx, stop := context.WithCancel(t.Context())
		var all sync.WaitGroup
		defer all.Wait()
		defer stop()
		slower, faster := r.dial(), r.dial()
		for p, pause := range map[*peer]time.Duration{slower: Lead / 2, faster: 0} {
			p.send(post(1 << 20))
			all.Go(func() {
				time.Sleep(pause)
				for ctx.Err() == nil {
					_, _ = io.WriteString(p, strings.Repeat("x", Pace/16))
					time.Sleep(time.Second / 16)
				}
			})
		}
		time.Sleep(Lead)
		next := r.dial()
		next.send(whole)
		time.Sleep(MaxWait - time.Millisecond)
		if next.answered(1) {
			t.Error("the new one does not wait")
		}
		time.Sleep(2 * time.Millisecond)
		if !next.answered(1) || !slower.ended() || faster.ended() {
			t.Errorf("after a while: the new one is answered %t, closed are %t and %t", next.answered(1), slower.ended(), faster.ended())
		}
	})
}

// TestAServerThatIsClosedWaitsForNoPlace.
func TestAServerThatIsClosedWaitsForNoPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1)
		r.dial()
		waiting := r.dial()
		began := time.Now()
		_ = r.server.Close()
		if !waiting.ended() || time.Since(began) != 0 {
			t.Error("it waits on")
		}
	})
}

// The behaviours of a peer during a second or two.

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

// TestWhoKeepsWaitingMostMakesRoom: there are three connections. The peers behave in
// different ways for a while, one after the other.
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
				time.Sleep(MaxWait)
				if !all[0].ended() || all[1].ended() || all[2].ended() {
					t.Errorf("closed: %t, %t, %t; it is the first that has to make room", all[0].ended(), all[1].ended(), all[2].ended())
				}
			})
		})
	}
}

// TestAWholeRequestKeepsItsPlaceUntilItIsAnswered, with a body or without. If all
// connections are being answered, the new connection is closed.
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
			third := r.dial()
			time.Sleep(Lead)
			if third.ended() || first.ended() == second.ended() {
				t.Error("one that is answered and silent has to make room")
			}
		})
	}
}

// TestWhoDoesNotReadItsAnswerMakesRoom. A peer that reads its answer slowly is waited
// for.
func TestWhoDoesNotReadItsAnswerMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1)
		deaf := r.dialDeaf()
		deaf.send(whole)
		p := r.dial()
		time.Sleep(Lead)
		if p.send(whole); !p.answered(1) {
			t.Error("one that does not read keeps others out")
		}
	})
}

// TestARequestKeepsAConnectionAlive: a connection that was idle for long and has a new
// request is treated like a new one.
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
			time.Sleep(Lead / 2)
			if !other.ended() || kept.ended() {
				t.Fatalf("after request %d another one has to make room", n)
			}
			other = next
		}
	})
}

func TestAConnectionThatIsNotCountedIsNone(t *testing.T) {
	t.Parallel()
	if c := From(t.Context()); c != nil {
		t.Error(c)
	}
}

// TestAnAnswerArrivesThoughTheRequestIsNotReadWhole, as without Bound: net/http closes
// its writing side first. Otherwise the peer would get a reset instead of the answer.
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
	const discarded = 256 << 10 // how much net/http reads of a body that the handler does not read
	if _, err := io.WriteString(nc, post(8*discarded)+strings.Repeat("x", 2*discarded)); err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(nc)
	if !strings.HasPrefix(string(text), "HTTP/1.1 403") || err != nil {
		t.Errorf("%q %v", text, err)
	}
}
