// Package lease lets clients keep accepted answers in their own memory, and still
// has a revocation in force in each of their processes when REVOKE returns.
//
// A client that keeps answers has a watch: a connection on which the daemon tells the
// client what to forget. The client asks for a lease (WATCH, SEEN), the watch answers,
// and the client may use its kept answers for one lease after it has asked. Code that
// revokes or purges first makes the change in the daemon, then calls [Watches.Forget],
// then waits in [Watches.Settled] until each watch has confirmed or its lease is over.
// The daemon does not remember which client keeps which answer: an answer carries
// handles of everything that it depends on, and the revision that was current before
// the answer was decided (protocol.md, "Keeping answers").
//
// Leases of this kind: Gray and Cheriton, Leases: An Efficient Fault-Tolerant
// Mechanism for Distributed File Cache Consistency, 1989.
package lease

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/protocol"
)

const (
	// Length is how long what is kept may be used after the client has asked for it.
	Length = protocol.MaxLease * time.Millisecond
	// Term is how long a lease is taken to stand. It is longer than Length by a
	// twentieth: by the clock of whoever has the lease it may last longer than by ours.
	Term = Length + Length/20
	// MaxHits is how many answers from memory one SEEN can count: far more than fit
	// into a lease.
	MaxHits = 1 << 32
)

// Watches are all who keep answers, and the revision that they have to see. Make it
// with New. Safe for concurrent use.
type Watches struct {
	run      protocol.Run
	secret   [sha256.Size]byte // of handles
	revision atomic.Int64      // raised with mu held
	draining atomic.Bool       // set with mu held
	hits     atomic.Uint64
	blind    func() (heard time.Duration, blind bool)
	places   *fair.Pool
	withhold func() bool

	mu      sync.Mutex
	open    map[*Watch]struct{}
	ends    time.Time // when the leases of a former run, and of watches that were lost, are over
	backlog int       // bytes that wait, of all watches
	told    bool      // everything was told to be forgotten since withhold began to say so
}

// New returns Watches that nobody has opened, and knows of no former run; see Start.
// While withhold says so nothing may be kept; watches go on, and are told to forget
// everything when they ask for their lease. It must return at once; nil never says so.
func New(withhold func() bool) *Watches {
	if withhold == nil {
		withhold = func() bool { return false }
	}
	s := &Watches{places: fair.NewPool(fair.Watches()), open: map[*Watch]struct{}{}, withhold: withhold, blind: func() (time.Duration, bool) { return 0, false }}
	_, _ = rand.Read(s.secret[:]) // never fails
	var run [8]byte
	_, _ = rand.Read(run[:])
	s.run = protocol.Run(binary.BigEndian.Uint64(run[:]))
	return s
}

// Start says that from now on no former run of this program grants leases, because
// this one has its sockets. Those that it may have granted until now are waited for.
func (s *Watches) Start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.standUntil(time.Now())
}

// standUntil has Settled wait for a lease that was granted at an instant and whose
// holder cannot be told anything any more. s.mu is held.
func (s *Watches) standUntil(granted time.Time) {
	if ends := granted.Add(Term); ends.After(s.ends) {
		s.ends = ends
	}
}

// HeardBy says how this host stands with its fleet: while it is blind no answer may
// be kept, and answers to SEEN tell how long ago the fleet was heard. It is said
// before Start, by a host that can be in a fleet.
func (s *Watches) HeardBy(hearing func() (heard time.Duration, blind bool)) { s.blind = hearing }

// Revision is what an answer carries that may be kept. It has to be read before the
// answer is decided. Not ok means that nothing may be kept: the program drains, is
// blind, or withholds. It takes no lock.
func (s *Watches) Revision() (r protocol.Revision, ok bool) {
	if _, blind := s.blind(); blind {
		return protocol.Revision{}, false
	}
	return protocol.Revision{Run: s.run, N: s.revision.Load()}, !s.draining.Load() && !s.withhold()
}

// Handle names a thing of a project that answers depend on. It tells nobody what
// that is, and another run has another one for it.
func (s *Watches) Handle(kind, project, value string) protocol.Handle {
	var room [256]byte // enough for most, so that nothing is allocated
	text := append(room[:0], s.secret[:]...)
	for _, part := range [...]string{kind, project, value} { // lengths first: no two lists have one text
		text = binary.BigEndian.AppendUint32(text, uint32(len(part)))
		text = append(text, part...)
	}
	sum := sha256.Sum256(text)
	return protocol.Handle(binary.BigEndian.Uint64(sum[:]))
}

// Forget tells every watch to forget what depends on one of these things. What has
// ended them must be in force.
func (s *Watches) Forget(handles ...protocol.Handle) {
	for some := range slices.Chunk(handles, protocol.MaxForget) {
		s.tell(func(line []byte) []byte { return protocol.AppendHandles(line, protocol.FieldForget, some...) })
	}
}

// ForgetAll tells every watch to forget everything. What has ended it must be in
// force.
func (s *Watches) ForgetAll() { s.tell(appendAll) }

func appendAll(line []byte) []byte {
	return protocol.AppendField(line, protocol.FieldForget, protocol.ForgetAll)
}

// tell raises the revision and gives every watch a line.
func (s *Watches) tell(what func(line []byte) []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tellLocked(what)
}

// tellLocked is tell; s.mu is held.
func (s *Watches) tellLocked(what func(line []byte) []byte) {
	n := s.revision.Add(1)
	line := forgetLine(nil, n, what)
	for w := range s.open {
		w.tellLocked(line, n)
	}
}

// forgetLine appends a line that tells to forget.
func forgetLine(dst []byte, n int64, what func([]byte) []byte) []byte {
	dst = what(protocol.AppendStatus(dst, nil, protocol.OK, ""))
	return append(protocol.AppendInt(dst, protocol.FieldRev, n), '\n')
}

// withholdLocked tells every watch to forget everything, once each time that withhold
// begins to say so. s.mu is held.
func (s *Watches) withholdLocked() {
	is := s.withhold()
	if is && !s.told {
		s.tellLocked(appendAll)
	}
	s.told = is
}

// Settled returns nil when no answer can be used any more that Forget had to have
// forgotten before this call: each watch has said that it has seen the revision
// that is current now, or its lease is over, and so are those of watches that were
// lost and of a former run. That takes a Term at most. It returns the error of ctx
// if that ends first.
func (s *Watches) Settled(ctx context.Context) error {
	n, behind, ends := s.behind()
	for _, b := range behind {
		if err := b.settled(ctx, n); err != nil {
			return err
		}
	}
	return wait(ctx, nil, ends)
}

// pending is a watch that has something to forget, and when its lease is over that
// was granted before it was told.
type pending struct {
	watch *Watch
	ends  time.Time
}

// behind returns the revision, the watches that have not seen it, and when the leases
// are over of those who cannot be asked.
func (s *Watches) behind() (n int64, behind []pending, ends time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n = s.revision.Load()
	for w := range s.open {
		if w.seen < n {
			behind = append(behind, pending{w, w.ends})
		}
	}
	return n, behind, s.ends
}

// settled waits until the watch has seen revision n or its lease is over.
func (p pending) settled(ctx context.Context, n int64) error {
	for time.Now().Before(p.ends) {
		moved := p.watch.moving(n)
		if moved == nil {
			return nil
		}
		if err := wait(ctx, moved, p.ends); err != nil {
			return err
		}
	}
	return nil
}

// wait returns nil once the channel is closed, or at an instant.
func wait(ctx context.Context, done <-chan struct{}, till time.Time) error {
	left := time.Until(till)
	if left <= 0 {
		return nil
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// Drain ends the granting: from its return on no lookup may be kept any more, no
// watch begins, and one that asks for its lease to go on ends. A program calls it
// before its sockets are free for the next run, which counts from then on.
func (s *Watches) Drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining.Store(true)
}

// State is what there is to tell about watches.
type State struct {
	Open int    // watches
	Max  int    // how many there can be
	Told int64  // lines that told to forget
	Hits uint64 // answers that clients have given from their memory, as they say
}

// State returns the state now.
func (s *Watches) State() State {
	return State{Open: s.places.Taken(), Max: s.places.Total(), Told: s.revision.Load(), Hits: s.hits.Load()}
}
