package client_test

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/protocol"
)

// TestNobodyIsAcceptedWhoWasRevoked: several clients ask a daemon that follows
// the rules of protocol.md and revokes tokens. Everything is slow at random:
// answers, lines of watches, reads and writes of the clients. Watches are cut,
// and the daemon is restarted. No lookup that begins after a revocation has
// returned may be accepted. The test runs in simulated time.
func TestNobodyIsAcceptedWhoWasRevoked(t *testing.T) {
	for round := range uint64(4) {
		t.Run(fmt.Sprint("round ", round), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLessor(protocol.Run(round))
				var lookups, kept atomic.Int64
				over := time.Now().Add(40 * time.Second)
				var clients sync.WaitGroup
				for range 4 {
					c := &client.Client{Timeout: 20 * time.Second, Conns: 3, Dial: l.dial}
					clients.Go(func() {
						var users sync.WaitGroup
						for range 3 {
							users.Go(func() {
								for time.Now().Before(over) {
									n := rand.N(len(l.people))
									p := &l.people[n]
									before := p.state.Load()
									a, ok := c.Verify(t.Context(), p.token).(client.Accepted)
									if ok && before%2 == 1 && p.state.Load() == before {
										t.Errorf("%s was accepted after its revocation had returned: %v", p.token, a)
										return
									}
									lookups.Add(1)
									if ok && a.Source == client.SourceCache {
										kept.Add(1)
									}
									time.Sleep(rand.N(4 * time.Millisecond))
								}
							})
						}
						users.Wait()
						_ = c.Close()
					})
				}
				for time.Now().Before(over) {
					l.misfortune()
				}
				clients.Wait()
				l.close()
				if lookups.Load() < 10000 || kept.Load() < lookups.Load()/4 || l.revocations < 50 {
					t.Errorf("%d lookups, %d from memory, %d revocations: the test does not test", lookups.Load(), kept.Load(), l.revocations)
				}
			})
		})
	}
}

// customer is a user whose token is revoked now and then. state is odd while
// the token is revoked and the revocation has returned.
type customer struct {
	token   string
	handle  protocol.Handle
	revoked bool // under lessor.mu
	state   atomic.Int64
}

// lessor is a daemon that grants leases.
type lessor struct {
	people      []customer
	revocations int
	handlers    sync.WaitGroup

	mu      sync.Mutex
	run     protocol.Run
	rev     int64
	born    time.Time
	conns   map[net.Conn]bool
	watches map[*watcher]bool
}

// watcher is a watch as the daemon sees it.
type watcher struct {
	out   chan string
	done  chan struct{} // closed when its connection has ended
	lease time.Time     // until when the client may use what it keeps
	seen  int64
	told  int64
	gone  bool // QUIT
}

const simulatedLease = time.Second

func newLessor(run protocol.Run) *lessor {
	l := &lessor{run: run, conns: map[net.Conn]bool{}, watches: map[*watcher]bool{}, people: make([]customer, 12)}
	for n := range l.people {
		h := fnv.New64a()
		p := &l.people[n]
		p.token = fmt.Sprint("person.", n, ".x")
		_, _ = h.Write([]byte(p.token))
		p.handle = protocol.Handle(h.Sum64())
	}
	l.born = time.Now().Add(-time.Hour)
	return l
}

// dial makes a connection that is slow now and then at both ends.
func (l *lessor) dial(context.Context) (net.Conn, error) {
	near, far := net.Pipe()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns[far] = true
	l.handlers.Go(func() { l.serve(far) })
	return &slowConn{near}, nil
}

// slowConn delays reads and writes, mostly for a short time.
type slowConn struct{ net.Conn }

func dawdle() {
	span := time.Millisecond
	if rand.N(200) == 0 {
		span = 1500 * time.Millisecond
	}
	time.Sleep(rand.N(span))
}

func (c *slowConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	dawdle()
	return n, err
}

func (c *slowConn) Write(p []byte) (int, error) {
	dawdle()
	_ = c.Conn.SetWriteDeadline(time.Time{}) // slow peers are not the subject of this test
	return c.Conn.Write(p)
}

func (l *lessor) serve(nc net.Conn) {
	defer func() {
		_ = nc.Close()
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.conns, nc)
	}()
	lines := protocol.NewLineReader(nc, protocol.MaxRequestLine)
	var w *watcher
	var r protocol.Request
	for {
		line, err := lines.ReadLine()
		if err != nil || protocol.ParseRequest(line, &r) != nil {
			break
		}
		switch verb := protocol.Verb(r.Verb); {
		case verb == protocol.WATCH:
			w = l.watch(nc)
		case verb == protocol.SEEN && w != nil:
			raw, _ := r.Fields.Get(protocol.FieldRev)
			seen, _ := protocol.Int(raw)
			l.seen(w, seen)
		case verb == protocol.QUIT && w != nil:
			l.mu.Lock()
			w.gone = true
			l.mu.Unlock()
		default:
			if _, err := nc.Write(l.lookup(&r)); err != nil {
				return
			}
		}
	}
	if w != nil { // the watch counts until its lease is over
		close(w.done)
		time.Sleep(simulatedLease)
		l.mu.Lock()
		delete(l.watches, w)
		l.mu.Unlock()
	}
}

// lookup decides, with a delay before and after.
func (l *lessor) lookup(r *protocol.Request) []byte {
	l.mu.Lock()
	rev := protocol.Revision{Run: l.run, N: l.rev}
	l.mu.Unlock()
	dawdle()
	reply := fmt.Appendf(nil, "@%s NO revoked", r.Tag)
	l.mu.Lock()
	for n := range l.people {
		if p := &l.people[n]; p.token == string(r.Args[0]) && !p.revoked {
			reply = fmt.Appendf(nil, "@%s OK level=claims project=main sub=x age=0 ttl=2 exp=4000000000 source=upstream", r.Tag)
			if _, keep := r.Fields.Get(protocol.FieldKeep); keep {
				reply = protocol.AppendHandles(protocol.AppendRevision(reply, rev), protocol.FieldHandles, 7, p.handle)
			}
			reply = append(reply, " {}"...)
		}
	}
	l.mu.Unlock()
	dawdle()
	return append(reply, '\n')
}

func (l *lessor) watch(nc net.Conn) *watcher {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := &watcher{out: make(chan string, 4096), done: make(chan struct{}), told: l.rev, seen: l.rev, lease: time.Now().Add(simulatedLease)}
	l.watches[w] = true
	w.out <- string(protocol.AppendRevision([]byte("OK lease=1000"), protocol.Revision{Run: l.run, N: l.rev}))
	l.handlers.Go(func() {
		for {
			select {
			case line := <-w.out:
				dawdle()
				_, _ = nc.Write([]byte(line + "\n"))
			case <-w.done:
				return
			}
		}
	})
	return w
}

func (l *lessor) seen(w *watcher, rev int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w.seen, w.lease = max(w.seen, rev), time.Now().Add(simulatedLease)
	w.out <- fmt.Sprintf("OK lease=1000 rev=%d", w.told)
}

// tell makes the watches forget handles, and returns when no client uses what
// it kept about them.
func (l *lessor) tell(line string) {
	l.mu.Lock()
	l.rev++
	leases := map[*watcher]time.Time{}
	for w := range l.watches {
		leases[w], w.told = w.lease, l.rev
		w.out <- fmt.Sprintf("OK %s rev=%d", line, l.rev)
	}
	l.mu.Unlock()
	for w, end := range leases {
		for !l.released(w) && !time.Now().After(end) {
			time.Sleep(time.Millisecond)
		}
	}
	time.Sleep(time.Until(l.born.Add(simulatedLease))) // the run before may have granted leases
}

// released reports whether the watch has forgotten everything that it was told
// to forget, or has ended.
func (l *lessor) released(w *watcher) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return w.seen >= l.rev || w.gone
}

// misfortune revokes a user, or causes another event.
func (l *lessor) misfortune() {
	time.Sleep(rand.N(150 * time.Millisecond))
	p := &l.people[rand.N(len(l.people))]
	switch rand.N(40) {
	case 0:
		l.restart()
	case 1, 2:
		l.mu.Lock()
		for nc := range l.conns {
			if rand.N(3) == 0 {
				_ = nc.Close()
			}
		}
		l.mu.Unlock()
	default:
		p.state.Add(p.state.Load() % 2) // even: the token may be accepted again from now on
		l.mu.Lock()
		p.revoked = true
		l.mu.Unlock()
		line := string(protocol.AppendHandles(nil, protocol.FieldForget, p.handle))[1:]
		if rand.N(10) == 0 {
			line = "forget=*"
		}
		l.tell(line)
		l.revocations++
		p.state.Add(1)
		time.Sleep(rand.N(300 * time.Millisecond))
		p.state.Add(1)
		l.mu.Lock()
		p.revoked = false
		l.mu.Unlock()
	}
}

// restart begins another run, which does not know the watches of the old one.
func (l *lessor) restart() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for nc := range l.conns {
		_ = nc.Close()
	}
	l.run, l.rev, l.born = l.run+1, 0, time.Now()
	l.watches = map[*watcher]bool{}
}

func (l *lessor) close() {
	l.mu.Lock()
	for nc := range l.conns {
		_ = nc.Close()
	}
	l.mu.Unlock()
	l.handlers.Wait()
}
