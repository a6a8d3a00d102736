package lease

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/neonauthd/neonauthd/protocol"
)

// model is what the promise is about: users, some of whom are revoked, and processes
// that keep answers about them.
type model struct {
	*Watches
	mu      sync.Mutex
	rng     *rand.Rand
	revoked map[string]bool
}

// pause sleeps for a random time: never longer than most, and mostly much shorter.
func (w *model) pause(most time.Duration) {
	w.mu.Lock()
	d := time.Duration(w.rng.Int64N(int64(most)))
	if w.rng.IntN(4) > 0 {
		d /= 100
	}
	w.mu.Unlock()
	time.Sleep(d)
}

// chance returns true once in that many times, at random.
func (w *model) chance(in int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rng.IntN(in) == 0
}

// set puts a revocation in force, or ends it.
func (w *model) set(user string, revoked bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.revoked[user] = revoked
}

// lookup plays an answer of the daemon, which takes time before and after the
// decision.
func (w *model) lookup(user string) (rev protocol.Revision, accepted bool) {
	w.pause(2 * Length)
	rev, granted := w.Revision()
	w.pause(Length / 10)
	w.mu.Lock()
	accepted = !w.revoked[user] && granted
	w.mu.Unlock()
	w.pause(2 * Length)
	return rev, accepted
}

// process keeps answers by the rules of protocol.md. Its clock is slow. Its reader
// may stop while other goroutines go on using the kept answers.
type process struct {
	*model
	mu     sync.Mutex
	up     bool
	rev    protocol.Revision
	events map[int64]protocol.Handle // 0: everything
	kept   map[string]bool
	until  time.Time // end of the lease
}

// accepts is a lookup that the process answers from its memory.
func (p *process) accepts(user string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.up && p.kept[user] && time.Now().Before(p.until)
}

// learn asks the daemon, and keeps the answer if it may.
func (p *process) learn(user string) {
	rev, accepted := p.lookup(user)
	p.mu.Lock()
	defer p.mu.Unlock()
	if !accepted || !p.up || rev.Run != p.rev.Run {
		return
	}
	for n := rev.N + 1; n <= p.rev.N; n++ {
		if h, remembered := p.events[n]; !remembered || h == 0 || h == handle(p.Watches, user) {
			return
		}
	}
	p.kept[user] = true
}

// watch keeps a watch open until it is lost, the process leaves it, or ctx ends.
func (p *process) watch(ctx context.Context) {
	w, ok := p.Open(owner(1), nil)
	if !ok {
		return
	}
	near, far := net.Pipe()
	var serving sync.WaitGroup
	serving.Go(func() { _ = w.Serve(served{far, protocol.NewLineReader(far, protocol.MaxRequestLine)}) })
	defer serving.Wait()
	defer near.Close()
	sent, lines := time.Now(), protocol.NewLineReader(near, protocol.MaxWatchLine)
	for answered := false; ctx.Err() == nil; {
		if answered && p.chance(50) {
			if p.chance(2) {
				p.end()
				_, _ = near.Write([]byte("QUIT\n"))
			}
			break
		}
		if answered {
			sent = time.Now()
			p.pause(Length / 4)
			if _, err := fmt.Fprintf(near, "SEEN rev=%d hits=0\n", p.rev.N); err != nil {
				break
			}
		}
		line, err := lines.ReadLine()
		p.pause(3 * Length) // the reader is stopped
		if err != nil {
			break
		}
		answered = p.hear(line, sent)
	}
	near.Close()
	p.pause(2 * Length) // before the process knows of the loss
	p.end()
}

func (p *process) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.up, p.kept, p.events = false, map[string]bool{}, map[int64]protocol.Handle{}
}

// hear takes a line, and reports whether the line answers what was sent.
func (p *process) hear(line []byte, sent time.Time) bool {
	var r protocol.Reply
	_ = protocol.ParseReply(line, &r)
	raw, _ := r.Fields.Get(protocol.FieldRev)
	p.mu.Lock()
	defer p.mu.Unlock()
	if rev, err := protocol.ParseRevision(raw); err == nil {
		p.rev, p.up = rev, true
	}
	what, event := r.Fields.Get(protocol.FieldForget)
	if !event {
		p.until = sent.Add(Length + Length/25)
		return true
	}
	p.rev.N, _ = protocol.Int(raw)
	handles, _ := protocol.ParseHandles([]protocol.Handle{}, what, protocol.MaxForget)
	if len(handles) == 0 {
		p.kept, p.events = map[string]bool{}, map[int64]protocol.Handle{}
		handles = append(handles, 0)
	}
	p.events[p.rev.N] = handles[0]
	for user := range p.kept {
		if handle(p.Watches, user) == handles[0] {
			delete(p.kept, user)
		}
	}
	return false
}

// TestNobodyAcceptsAfterSettledHasReturned revokes answers that processes keep. The
// processes stop, lose their watch and hear late, in a synctest bubble.
func TestNobodyAcceptsAfterSettledHasReturned(t *testing.T) {
	users := []string{"ada", "bob", "eve"}
	for seed := range uint64(4) {
		synctest.Test(t, func(t *testing.T) {
			w := &model{Watches: New(Options{}), rng: rand.New(rand.NewPCG(seed, 1)), revoked: map[string]bool{}}
			ctx, stop := context.WithCancel(t.Context())
			var running sync.WaitGroup
			var all []*process
			for range 4 {
				p := &process{model: w}
				p.end()
				all = append(all, p)
				running.Go(func() {
					for ctx.Err() == nil {
						p.watch(ctx)
					}
				})
				for _, user := range users {
					running.Go(func() {
						for ctx.Err() == nil {
							p.learn(user)
						}
					})
				}
			}
			used, waited := 0, time.Duration(0)
			for i := range 1500 {
				user := users[i%len(users)]
				w.pause(Length)
				w.set(user, true)
				for _, p := range all {
					if p.accepts(user) {
						used++
					}
				}
				if i%10 == 0 {
					w.ForgetAll()
				} else {
					w.Forget(handle(w.Watches, user))
				}
				took := settles(t, w.Watches)
				if waited += took; took > Term {
					t.Fatalf("waited %s", took)
				}
				for range 3 {
					for _, p := range all {
						if p.accepts(user) {
							t.Fatalf("seed %d, revocation %d: accepted afterwards", seed, i)
						}
					}
					w.pause(Length / 2)
				}
				w.set(user, false)
			}
			stop()
			w.Drain()
			running.Wait()
			if used < 300 || waited == 0 {
				t.Errorf("%d of 6000 kept answers stood when they were revoked, waited %s: this shows nothing", used, waited)
			}
		})
	}
}
