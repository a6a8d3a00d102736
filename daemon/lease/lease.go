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
	// Length is how long a client may use its kept answers after it has asked for the
	// lease.
	Length = protocol.MaxLease * time.Millisecond
	// Term is how long this host takes a lease to last. It is longer than Length by a
	// twentieth, because the lease may last longer by the client's clock than by this
	// host's.
	Term = Length + Length/20

	// HitsAtOnce is how many answers from memory one SEEN counts at most, with
	// HitsPerMicrosecond more for each microsecond since the SEEN before.
	HitsAtOnce = 100
	// HitsPerMicrosecond is more than a client can give: it bounds what a SEEN can add to
	// the metrics.
	HitsPerMicrosecond = 10
)

// Watches are the watches of all clients that keep answers, and the revision that the
// watches have to see. Make it with New. It is safe for concurrent use.
type Watches struct {
	run      protocol.Run
	secret   [sha256.Size]byte // of handles
	revision atomic.Int64      // raised with mu held
	draining atomic.Bool       // set with mu held
	cleared  atomic.Bool       // the watches were told to forget everything because of withhold, and nothing may have been kept since
	hits     atomic.Uint64
	hearing  func() (heard time.Duration, blind bool)
	places   *fair.Pool
	withhold func() bool

	mu      sync.Mutex
	open    map[*Watch]struct{}
	ends    time.Time // when the leases of a former run, and of watches that were lost, end
	backlog int       // unwritten bytes of all watches together
	drained int64     // the revision with which Drain tells to forget everything
}

// Options are what Watches have to be told about their host. Both functions must return
// at once.
type Options struct {
	// Withhold: while it returns true, no answer may be kept; watches stay open, and are
	// told to forget everything when they ask for their lease. Nil never returns true.
	Withhold func() bool
	// Hearing says how long ago this host heard its fleet, and whether it is blind, that
	// is, hears the fleet no longer. While it is blind, no answer may be kept, and answers
	// to SEEN tell how long ago the fleet was heard. Nil: the host can be in no fleet.
	Hearing func() (heard time.Duration, blind bool)
}

// New returns Watches without any watch. They know of no former run; see Start.
func New(o Options) *Watches {
	s := &Watches{places: fair.NewPool(fair.Watches()), open: map[*Watch]struct{}{}, withhold: o.Withhold, hearing: o.Hearing}
	if s.withhold == nil {
		s.withhold = func() bool { return false }
	}
	if s.hearing == nil {
		s.hearing = func() (time.Duration, bool) { return 0, false }
	}
	_, _ = rand.Read(s.secret[:]) // never fails
	var run [8]byte
	_, _ = rand.Read(run[:])
	s.run = protocol.Run(binary.BigEndian.Uint64(run[:]))
	return s
}

// Start says that from now on no former run of this program grants leases, because this
// run has its sockets. Settled waits for the leases that a former run may have granted
// until now.
func (s *Watches) Start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.awaitLease(time.Now())
}

// Revision returns the revision for an answer that may be kept. Read it before the
// answer is decided. If ok is false, nothing may be kept: the program drains, is blind,
// or withholds. Revision takes no lock.
func (s *Watches) Revision() (r protocol.Revision, ok bool) {
	if _, blind := s.hearing(); blind {
		return protocol.Revision{}, false
	}
	r = protocol.Revision{Run: s.run, N: s.revision.Load()}
	if s.draining.Load() || s.withhold() {
		return r, false
	}
	if s.cleared.Load() { // mostly false, and reading costs less than writing
		s.cleared.Store(false)
	}
	return r, true
}

// Handle returns the handle of something in a project that answers depend on. A handle
// does not reveal what it stands for, and another run of the program has other handles.
func (s *Watches) Handle(kind, project, value string) protocol.Handle {
	var room [256]byte // enough for most texts, so that nothing is allocated
	text := append(room[:0], s.secret[:]...)
	for _, part := range [...]string{kind, project, value} { // lengths go first, so that no two lists give one text
		text = binary.BigEndian.AppendUint32(text, uint32(len(part)))
		text = append(text, part...)
	}
	sum := sha256.Sum256(text)
	return protocol.Handle(binary.BigEndian.Uint64(sum[:]))
}

// Forget tells every watch to forget the answers that depend on one of the handles. The
// change that has ended these answers must be in force before the call.
func (s *Watches) Forget(handles ...protocol.Handle) {
	for some := range slices.Chunk(handles, protocol.MaxForget) {
		s.tell(func(line []byte) []byte { return protocol.AppendHandles(line, protocol.FieldForget, some...) })
	}
}

// ForgetAll tells every watch to forget all answers. The change that has ended them
// must be in force before the call.
func (s *Watches) ForgetAll() { s.tell(appendAll) }

// Settled waits until no client can use any answer that was to be forgotten before this
// call, and returns nil. It waits for each watch until the watch has confirmed the
// revision that is current now, or its lease is over. It also waits until the leases of
// lost watches and of a former run are over. This takes at most one Term. If ctx ends
// first, Settled returns its error.
func (s *Watches) Settled(ctx context.Context) error {
	n, behind, ends := s.behind()
	for _, b := range behind {
		if err := b.settled(ctx, n); err != nil {
			return err
		}
	}
	return wait(ctx, nil, ends)
}

// Drain ends the granting of leases, and tells every watch to forget everything. After
// Drain has returned, no answer may be kept any more, no watch begins, and a watch that
// asks for another lease ends. Settled need not wait for a watch that has confirmed
// before it ended. A program calls Drain before its sockets are free for the next run,
// which waits for the leases granted until then.
func (s *Watches) Drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining.Store(true) // first, so that no answer is kept under the new revision
	s.tellLocked(appendAll)
	s.drained = s.revision.Load()
}

// State is a reading of the Watches.
type State struct {
	Open int    // open watches
	Max  int    // how many watches can be open
	Told int64  // lines that told to forget, each counted once for all watches
	Hits uint64 // answers that clients say they have given from their memory
}

// State returns the state now.
func (s *Watches) State() State {
	return State{Open: s.places.Taken(), Max: s.places.Total(), Told: s.revision.Load(), Hits: s.hits.Load()}
}

// awaitLease makes Settled wait for a lease that was granted at that instant, because the
// client that has the lease cannot be told to forget any more. s.mu is held.
func (s *Watches) awaitLease(granted time.Time) {
	if ends := granted.Add(Term); ends.After(s.ends) {
		s.ends = ends
	}
}

// tell raises the revision and gives every watch the line of that revision.
func (s *Watches) tell(what func(line []byte) []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tellLocked(what)
}

// tellLocked does what tell does; s.mu is held.
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

func appendAll(line []byte) []byte {
	return protocol.AppendField(line, protocol.FieldForget, protocol.ForgetAll)
}

// withholdLocked tells every watch to forget everything if withhold is true, unless
// nothing may have been kept since it last did so. s.mu is held.
//
// cleared is set before the revision is raised. So a Revision that returns the new
// revision finds cleared set, and takes it back. An answer with an earlier revision is
// not kept, because the client has been told to forget everything since.
func (s *Watches) withholdLocked() {
	if s.withhold() && s.cleared.CompareAndSwap(false, true) {
		s.tellLocked(appendAll)
	}
}

// pending is a watch that has not confirmed yet. ends is the end of the lease that was
// granted before the watch was told.
type pending struct {
	watch *Watch
	ends  time.Time
}

// behind returns the current revision, the watches that have not seen it, and when the
// leases of the clients that cannot be asked are over.
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

// settled waits until the watch has seen revision n or its lease is over. Leases end by
// the client's monotonic clock at the latest, so this host waits for their end by its own.
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

// wait returns nil when the channel is closed or the instant till is reached. It returns
// the error of ctx if ctx ends first.
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
