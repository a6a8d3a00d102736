package client_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/protocol"
)

// scribe is a daemon that grants everything, and notes the lines that it receives on watches.
type scribe struct {
	ttl     int
	mu      sync.Mutex
	told    []string // lines received on watches
	lookups int
	open    int // connections
	delay   time.Duration
	older   bool // it does not know keep=1
}

func (s *scribe) client() *client.Client {
	return daemonFunc(func(_ int, nc net.Conn) { s.serve(nc) }).client(0)
}

func (s *scribe) serve(nc net.Conn) {
	s.mu.Lock()
	s.open++
	s.mu.Unlock()
	lines := protocol.NewLineReader(nc, protocol.MaxRequestLine)
	for {
		line, err := lines.ReadLine()
		var r protocol.Request
		if err != nil || protocol.ParseRequest(line, &r) != nil {
			break
		}
		if _, err := fmt.Fprintln(nc, s.reply(&r)); err != nil || string(r.Verb) == string(protocol.QUIT) {
			break
		}
	}
	_ = nc.Close()
	s.mu.Lock()
	s.open--
	s.mu.Unlock()
}

func (s *scribe) reply(r *protocol.Request) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch protocol.Verb(r.Verb) {
	case protocol.WATCH:
		s.told = append(s.told, "WATCH")
		return "OK lease=1000 rev=AAAAAAAAAAA.0"
	case protocol.SEEN:
		hits, _ := r.Fields.Get(protocol.FieldHits)
		s.told = append(s.told, "SEEN "+string(hits))
		return "OK lease=1000 rev=0"
	case protocol.QUIT:
		s.told = append(s.told, "QUIT")
		return "OK"
	default:
		s.lookups++
		delay := s.delay
		s.mu.Unlock() // the watch is served meanwhile
		time.Sleep(delay)
		s.mu.Lock()
		if _, keep := r.Fields.Get(protocol.FieldKeep); keep && s.older {
			return fmt.Sprintf("@%s ERR bad-request", r.Tag)
		}
		return fmt.Sprintf("@%s OK level=claims project=main sub=u age=0 ttl=%d exp=4000000000 source=upstream "+
			"rev=AAAAAAAAAAA.0 handles=AAAAAAAAAAE {}", r.Tag, s.ttl)
	}
}

func (s *scribe) heard() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.told)
}

// TestWatchEndsWithTheUse: a program that asks nothing any more has no watch, no connection and no goroutine, even if
// its client is not closed.
func TestWatchEndsWithTheUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scribe{ttl: 60}
		c := s.client()
		ask := func() {
			if a := c.Verify(t.Context(), "a.b.c"); !isAccepted(a) {
				t.Fatal(a)
			}
			synctest.Wait()
		}
		ask() // opens the watch
		time.Sleep(2 * time.Millisecond)
		ask() // this answer is kept
		for range 40 {
			time.Sleep(100 * time.Millisecond)
			ask()
		}
		if s.lookups != 2 || c.Unwatched() {
			t.Errorf("%d lookups over the socket, unwatched %t", s.lookups, c.Unwatched())
		}
		time.Sleep(4900 * time.Millisecond)
		if c.Unwatched() {
			t.Error("the watch has ended within five seconds of the last use")
		}
		time.Sleep(5200 * time.Millisecond)
		synctest.Wait()
		told := s.heard()
		if n := len(told); !c.Unwatched() || s.open != 0 || told[n-1] != "QUIT" || told[n-2] == "QUIT" {
			t.Errorf("ten seconds after the last use: unwatched %t, %d connections, the last words %v", c.Unwatched(), s.open, told[n-2:])
		}
		hits := 0
		for _, line := range told {
			var n int
			_, _ = fmt.Sscanf(line, "SEEN %d", &n)
			hits += n
		}
		if hits != 40 {
			t.Errorf("%d of 40 uses were told: %v", hits, told)
		}
		ask()
		time.Sleep(2 * time.Millisecond)
		ask()
		if s.lookups != 4 {
			t.Errorf("%d lookups over the socket: what was kept has outlived its watch", s.lookups)
		}
		_ = c.Close()
	})
}

// TestWatchOfASingleLookupEndsSoon: there are programs that make a client for
// each request.
func TestWatchOfASingleLookupEndsSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scribe{ttl: 60}
		c := s.client()
		if a := c.Verify(t.Context(), "a.b.c"); !isAccepted(a) {
			t.Fatal(a)
		}
		time.Sleep(1100 * time.Millisecond)
		synctest.Wait()
		if told := s.heard(); s.open != 0 || !slices.Equal(told, []string{"WATCH", "QUIT"}) {
			t.Errorf("%d connections, told %v", s.open, told)
		}
	})
}

// TestClientThatKeepsNothingHasNoWatch.
func TestClientThatKeepsNothingHasNoWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scribe{ttl: 60}
		c := s.client()
		c.Keep = -1
		defer c.Close()
		for range 3 {
			if a := c.Verify(t.Context(), "a.b.c"); !isAccepted(a) {
				t.Fatal(a)
			}
			time.Sleep(2 * time.Millisecond)
		}
		if s.lookups != 3 || len(s.heard()) != 0 {
			t.Errorf("%d lookups over the socket, told %v", s.lookups, s.heard())
		}
	})
}

// TestKeptAnswerIsTheReceiversOwn: changes that one caller makes to the answer do not reach the next caller.
func TestKeptAnswerIsTheReceiversOwn(t *testing.T) {
	c := keeping(t)
	for n := range 3 {
		a, ok := c.Verify(t.Context(), "a.b.c").(client.Accepted)
		if !ok || a.JSON[0] != '{' || (a.Source == client.SourceCache) != true {
			t.Fatalf("answer %d is %v with %q", n, a, a.JSON)
		}
		for i := range a.JSON {
			a.JSON[i] = 'x'
		}
		_ = append(a.JSON, 'y')
	}
}

// TestRefreshesHaveALimit: if many answers are old at the same time, the client asks about only a few at once, and
// callers do not wait.
func TestRefreshesHaveALimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int32
		s := &scribe{ttl: 2}
		slow := false
		daemon := daemonFunc(func(_ int, nc net.Conn) {
			lines := protocol.NewLineReader(nc, protocol.MaxRequestLine)
			for {
				line, err := lines.ReadLine()
				var r protocol.Request
				if err != nil || protocol.ParseRequest(line, &r) != nil {
					return
				}
				if slow && string(r.Verb) == string(protocol.VERIFY) {
					for n, before := now.Add(1), most.Load(); n > before && !most.CompareAndSwap(before, n); before = most.Load() {
					}
					time.Sleep(500 * time.Millisecond)
					now.Add(-1)
				}
				if _, err := fmt.Fprintln(nc, s.reply(&r)); err != nil {
					return
				}
			}
		})
		c := daemon.client(0)
		c.Verify(t.Context(), "t.0") // opens the watch
		time.Sleep(2 * time.Millisecond)
		begun := time.Now()
		for n := range 100 {
			c.Verify(t.Context(), fmt.Sprint("t.", n))
			synctest.Wait()
		}
		for range 5 { // extends the lease
			time.Sleep(220 * time.Millisecond)
			c.Verify(t.Context(), "t.50")
			synctest.Wait()
		}
		slow = true
		for n := 1; n < 100; n++ {
			a, ok := c.Verify(t.Context(), fmt.Sprint("t.", n)).(client.Accepted)
			if !ok || a.Source != client.SourceCache {
				t.Fatalf("%d: %v", n, a)
			}
		}
		if took := time.Since(begun); took != 1100*time.Millisecond {
			t.Errorf("the callers have waited: %s", took)
		}
		synctest.Wait()
		if most.Load() != 8 {
			t.Errorf("%d lookups in the background at once", most.Load())
		}
		_ = c.Close() // waits for the refreshes
		if !c.Still() {
			t.Error("something goes on after the client was closed")
		}
		time.Sleep(time.Second) // for the daemon
	})
}

// TestWatchThatHangsHoldsNobodyUp: the daemon takes the connection and is silent.
func TestWatchThatHangsHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scribe{ttl: 60}
		var dials atomic.Int32
		c := &client.Client{Dial: func(context.Context) (net.Conn, error) {
			near, far := net.Pipe()
			if dials.Add(1) == 1 {
				go s.serve(far)
			}
			return near, nil
		}}
		begun := time.Now()
		for range 10 {
			if a := c.Verify(t.Context(), "a.b.c"); !isAccepted(a) {
				t.Fatal(a)
			}
		}
		_ = c.Close()
		if took := time.Since(begun); took > 250*time.Millisecond {
			t.Errorf("ten lookups and Close took %s", took)
		}
	})
}

// TestAskingWithoutKeepTakesNoLongerThanACall: a daemon that does not know keep=1 is asked a second time, within the
// time of the one call.
func TestAskingWithoutKeepTakesNoLongerThanACall(t *testing.T) {
	for delay, answered := range map[time.Duration]bool{400 * time.Millisecond: true, 700 * time.Millisecond: false} {
		for name, options := range map[string][]client.Option{"the client's time": nil, "a time of its own": {client.Deadline(time.Second)}} {
			t.Run(fmt.Sprint(name, " ", delay), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := &scribe{ttl: 60}
					c := s.client()
					c.Timeout = time.Second
					if options != nil {
						c.Timeout = time.Minute
					}
					c.Verify(t.Context(), "a.b.c") // opens the watch
					time.Sleep(2 * time.Millisecond)
					synctest.Wait()
					s.mu.Lock()
					s.delay, s.older = delay, true
					s.mu.Unlock()
					begun := time.Now()
					a := c.Verify(t.Context(), "d.e.f", options...)
					took := time.Since(begun)
					synctest.Wait()
					if isAccepted(a) != answered || took != min(2*delay, time.Second) || s.lookups != 3 {
						t.Errorf("%v after %s, %d lookups", a, took, s.lookups)
					}
					_ = c.Close()
					time.Sleep(time.Minute) // until the daemon has finished
				})
			})
		}
	}
}
