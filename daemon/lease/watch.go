package lease

import (
	"errors"
	"sync"
	"time"

	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/protocol"
)

// smallBuffer is what a watch that reads keeps for the next lines.
const smallBuffer = 1 << 10

// Why a watch ends, beside errors of its connection.
var (
	errUnsent   = errors.New("a SEEN of a revision that was not sent")
	errDraining = errors.New("no leases are granted any more")
	errBroken   = errors.New("the watch cannot be written to")
)

// Watch is one client that keeps answers. Open makes it, Serve speaks with it.
type Watch struct {
	all *Watches
	who fair.ID

	// Guarded by all.mu:
	moved    sync.Cond     // on all.mu: out, sending or closed has changed
	out      []byte        // lines to be written
	opening  int           // how many bytes of out, the first ones, are the reply to WATCH
	owed     bool          // out holds the answer to a SEEN, whose tag is
	tag      []byte        // this
	sending  int           // bytes that are being written
	told     int64         // the revision of the last line in out, or before it
	sent     int64         // and of the last one that was given to the connection
	seen     int64         // what the client says that it has forgotten
	granted  time.Time     // when the last lease was granted: no earlier than the client asked for it
	ends     time.Time     // when the lease is over that was granted before the last line that told to forget
	progress chan struct{} // closed when seen rises; nil if nobody waits for that
	left     bool          // it has given its lease back
	closed   bool
}

// Open makes a watch for a client, whose WATCH had this tag. It has to be served,
// which also closes it. Not ok means that there is no room for it, or that no leases
// are granted any more.
func (s *Watches) Open(who fair.ID, tag []byte) (w *Watch, ok bool) {
	if !s.places.Take(who) {
		return nil, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining.Load() {
		s.places.Give(who)
		return nil, false
	}
	n := s.revision.Load()
	w = &Watch{all: s, who: who, told: n, sent: n, seen: n, granted: time.Now()}
	w.moved.L = &s.mu
	line := protocol.AppendInt(protocol.AppendStatus(nil, tag, protocol.OK, ""), protocol.FieldLease, protocol.MaxLease)
	w.putLocked(append(protocol.AppendRevision(line, protocol.Revision{Run: s.run, N: n}), '\n'))
	w.opening = len(w.out)
	s.open[w] = struct{}{}
	return w, true
}

// putLocked gives the watch a line. all.mu is held.
func (w *Watch) putLocked(line []byte) {
	w.out = append(w.out, line...)
	w.all.backlog += len(line)
	w.moved.Broadcast()
}

// tellLocked gives the watch a line that tells to forget, and notes until when what
// it has to forget may be used: leases that are granted from now on are read behind
// that line. all.mu is held.
func (w *Watch) tellLocked(line []byte, n int64) {
	w.told, w.ends = n, w.granted.Add(Term)
	w.putLocked(line)
	own := len(w.out) + w.sending
	if own > fair.WatchBacklog || w.all.backlog > fair.WatchBacklogs && own > fair.WatchBacklogs/w.all.places.Total() {
		w.shortenLocked()
	}
}

// shortenLocked replaces all lines that are not being written yet by one line. The
// lines that the client must still get follow that line. all.mu is held.
func (w *Watch) shortenLocked() {
	before := len(w.out)
	w.out = forgetLine(append([]byte(nil), w.out[:w.opening]...), w.told, appendAll)
	if w.owed {
		w.out = w.appendLease(w.out)
	}
	w.all.backlog += len(w.out) - before
}

// appendLease appends the answer to a SEEN.
func (w *Watch) appendLease(dst []byte) []byte {
	dst = protocol.AppendInt(protocol.AppendStatus(dst, w.tag, protocol.OK, ""), protocol.FieldLease, protocol.MaxLease)
	dst = protocol.AppendInt(dst, protocol.FieldRev, w.told)
	if heard, blind := w.all.blind(); blind {
		dst = protocol.AppendInt(dst, protocol.FieldHeard, int64((heard+time.Second-1)/time.Second))
	}
	return append(dst, '\n')
}

// saw notes that the client has forgotten what it was told up to revision n, and
// grants it a lease.
func (w *Watch) saw(n, hits int64, tag []byte) error {
	w.all.mu.Lock()
	defer w.all.mu.Unlock()
	switch {
	case w.closed:
		return errBroken
	case n > w.sent || n < w.seen:
		return errUnsent
	case w.all.draining.Load():
		return errDraining
	}
	w.all.hits.Add(uint64(min(hits, MaxHits)))
	w.sawLocked(n)
	w.all.withholdLocked()
	w.granted = time.Now()
	w.owed, w.tag = true, append(w.tag[:0], tag...)
	w.putLocked(w.appendLease(nil))
	return nil
}

// sawLocked releases who waits for what was seen. all.mu is held.
func (w *Watch) sawLocked(n int64) {
	if n > w.seen && w.progress != nil {
		close(w.progress)
		w.progress = nil
	}
	w.seen = n
}

// leave takes the lease back: the client keeps nothing any more.
func (w *Watch) leave(tag []byte) {
	w.all.mu.Lock()
	defer w.all.mu.Unlock()
	if w.closed {
		return
	}
	delete(w.all.open, w) // so that nothing is told any more
	w.left = true
	w.sawLocked(w.told)
	w.putLocked(append(protocol.AppendStatus(nil, tag, protocol.OK, ""), '\n'))
}

// moving returns what is closed when seen rises, or nil if revision n was seen. A
// watch that was lost never moves.
func (w *Watch) moving(n int64) <-chan struct{} {
	w.all.mu.Lock()
	defer w.all.mu.Unlock()
	if w.seen >= n {
		return nil
	}
	if w.progress == nil {
		w.progress = make(chan struct{})
	}
	return w.progress
}

// next returns the lines to be written next, in a buffer that takes the place of the
// one given, and nil when the watch is closed. It waits for lines.
func (w *Watch) next(buffer []byte) []byte {
	w.all.mu.Lock()
	defer w.all.mu.Unlock()
	w.all.backlog -= w.sending
	w.sending = 0
	w.moved.Broadcast()
	for len(w.out) == 0 && !w.closed {
		w.moved.Wait()
	}
	if w.closed {
		return nil
	}
	if cap(buffer) > smallBuffer {
		buffer = nil
	}
	lines := w.out
	w.out = buffer[:0]
	w.sending, w.sent, w.opening, w.owed = len(lines), w.told, 0, false
	return lines
}

// flushed waits until nothing waits to be written, and reports whether that can go
// on.
func (w *Watch) flushed() bool {
	w.all.mu.Lock()
	defer w.all.mu.Unlock()
	for len(w.out)+w.sending > 0 && !w.closed {
		w.moved.Wait()
	}
	return !w.closed
}

// close ends the watch. Unless the client has given its lease back, the lease stands
// until it is over: the client may not know yet.
func (w *Watch) close() {
	w.all.mu.Lock()
	defer w.all.mu.Unlock()
	if w.closed {
		return
	}
	w.closed = true
	w.moved.Broadcast()
	delete(w.all.open, w)
	if !w.left {
		w.all.standUntil(w.granted)
	}
	w.all.backlog -= len(w.out) + w.sending
	w.out, w.sending = nil, 0
	w.all.places.Give(w.who)
}
