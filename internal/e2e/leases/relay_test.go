package leases_test

import (
	"bytes"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/internal/e2e"
)

// relay forwards connections between an asking program and the daemon, slowly: data and the ends of connections come
// late in both directions.
type relay struct {
	to    string
	lines atomic.Int64 // lines that clients have sent

	all   sync.WaitGroup
	mu    sync.Mutex
	conns map[net.Conn]bool // true: the daemon's end
	over  bool
}

// newRelay starts a relay that listens at path until the end of the test.
func newRelay(t testing.TB, path, to string) *relay {
	t.Helper()
	listener, err := net.Listen("unix", path)
	e2e.Must(t, err)
	r := &relay{to: to, conns: map[net.Conn]bool{}}
	r.all.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			r.all.Go(func() { r.serve(near) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		r.mu.Lock()
		r.over = true
		r.mu.Unlock()
		r.cut(1, false)
		r.cut(1, true)
		r.all.Wait()
	})
	return r
}

// slowFor is longer than a lease.
const slowFor = 1500 * time.Millisecond

// A direction of a connection goes through phases, for up to phaseLasts each. The values are the longest delay of a
// chunk in a phase. On a watch some phases are too slow for a lease. On other connections most phases are fast, so that
// callers do more than wait.
var (
	watchPhases  = []time.Duration{time.Millisecond, 200 * time.Millisecond, slowFor}
	lookupPhases = []time.Duration{time.Millisecond, time.Millisecond, 200 * time.Millisecond}
)

const phaseLasts = 3 * time.Second

// pace decides how fast the relay is in one direction of a connection.
type pace struct {
	watch *atomic.Bool // the connection is a watch
	most  time.Duration
	ends  time.Time // of the phase
}

func (p *pace) dawdle() {
	if now := time.Now(); now.After(p.ends) {
		phases := lookupPhases
		if p.watch.Load() {
			phases = watchPhases
		}
		p.most = phases[rand.N(len(phases))]
		p.ends = now.Add(rand.N(phaseLasts))
	}
	pauseUpTo(p.most)
}

// lose delays the end of a connection, in half of all cases for a long time.
func (p *pace) lose() {
	if rand.N(2) == 0 {
		pauseUpTo(slowFor)
	}
}

func (r *relay) serve(near net.Conn) {
	far, err := net.Dial("unix", r.to)
	if err != nil {
		_ = near.Close()
		return
	}
	r.add(near, false)
	r.add(far, true)
	var both sync.WaitGroup
	var watch atomic.Bool
	both.Go(func() {
		r.carry(near, far, &pace{watch: &watch}, func(chunk []byte) {
			r.lines.Add(int64(bytes.Count(chunk, []byte("\n"))))
			watch.CompareAndSwap(false, bytes.HasPrefix(chunk, []byte("WATCH")))
		})
	})
	both.Go(func() { r.carry(far, near, &pace{watch: &watch}, func([]byte) {}) })
	both.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, near)
	delete(r.conns, far)
}

func (r *relay) add(conn net.Conn, far bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns[conn] = far
	if r.over {
		_ = conn.Close()
	}
}

// carry copies data from one connection to the other, and its end.
func (r *relay) carry(from, to net.Conn, p *pace, see func(chunk []byte)) {
	defer to.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		see(buf[:n])
		if err != nil {
			p.lose()
			return
		}
		p.dawdle()
		if _, err := to.Write(buf[:n]); err != nil {
			p.lose()
			_ = from.Close()
			return
		}
	}
}

// cut closes some of the connections, at the client's end or at the daemon's end. The other end notices this late.
func (r *relay) cut(share float64, far bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for conn, isFar := range r.conns {
		if isFar == far && rand.Float64() < share {
			_ = conn.Close()
		}
	}
}
