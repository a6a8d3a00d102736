package lease

import (
	"errors"
	"sync"
	"time"

	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/protocol"
)

// smallBuffer is the size of the largest buffer that a watch keeps for its next
// lines.
const smallBuffer = 1 << 10

// The reasons why a watch ends, apart from errors of its connection.
var (
	errUnsent   = errors.New("a SEEN of a revision that was not sent")
	errDraining = errors.New("no leases are granted any more")
	errBroken   = errors.New("the watch cannot be written to")
)

// Watch is one client that keeps answers. Open makes it, and Serve speaks with the
// client.
type Watch struct {
	all *Watches
	who fair.ID

	// Guarded by all.mu:
	moved    sync.Cond     // on all.mu: signalled when sending or closed changes, and when a goroutine other than the reader adds to out
	out      []byte        // lines to be written
	spare    []byte        // an unused buffer for out
	opening  int           // the reply to WATCH is that many bytes at the beginning of out
	owed     bool          // out has the answer to a SEEN
	tag      []byte        // the tag of that SEEN
	sending  int           // bytes that are being written
	told     int64         // the revision of the last line that tells to forget
	sent     int64         // the revision of the last such line that was given to the connection
	seen     int64         // the revision up to which the client says that it has forgotten
	granted  time.Time     // when the last lease was granted, which is not before the client asked for it
	ends     time.Time     // the end of the lease that was granted before the last line that tells to forget
	progress chan struct{} // closed when seen rises; nil if nobody waits for it
	left     bool          // the client has given its lease back
	closed   bool
}

// Open makes a watch for a client. tag is the tag of its WATCH. The caller has to
// call Serve, which also closes the watch. If ok is false, there is no room for the
// watch, or no leases are granted any more.
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

// putLocked replaces the lines to be written by out, which is w.out with more lines
// behind it. all.mu is held.
func (w *Watch) putLocked(out []byte) {
	w.all.backlog += len(out) - len(w.out)
	w.out = out
}

// tellLocked gives the watch a line that tells to forget, and notes until when the
// client may use what it has to forget: leases that are granted from now on are read
// after that line. all.mu is held.
func (w *Watch) tellLocked(line []byte, n int64) {
	w.told, w.ends = n, w.granted.Add(Term)
	w.putLocked(append(w.out, line...))
	w.moved.Broadcast()
	own := len(w.out) + w.sending
	if own > fair.WatchBacklog || w.all.backlog > fair.WatchBacklogs && own > fair.WatchBacklogs/w.all.places.Total() {
		w.shortenLocked()
	}
}

// shortenLocked replaces all lines that are not being written yet by one line that tells to
// forget everything. The reply to WATCH, if it is not written yet, stays before that line.
// The answer to a SEEN that is owed follows that line. all.mu is held.
func (w *Watch) shortenLocked() {
	out := forgetLine(append([]byte(nil), w.out[:w.opening]...), w.told, appendAll)
	if w.owed {
		out = w.appendLease(out)
	}
	w.putLocked(out)
}

// appendLease appends the answer to a SEEN.
func (w *Watch) appendLease(dst []byte) []byte {
	dst = protocol.AppendInt(protocol.AppendStatus(dst, w.tag, protocol.OK, ""), protocol.FieldLease, protocol.MaxLease)
	dst = protocol.AppendInt(dst, protocol.FieldRev, w.told)
	if heard, blind := w.all.hearing(); blind {
		dst = protocol.AppendInt(dst, protocol.FieldHeard, int64((heard+time.Second-1)/time.Second))
	}
	return append(dst, '\n')
}

// saw notes that the client has forgotten everything up to revision n, and grants it
// a lease.
func (w *Watch) saw(n, hits int64, tag []byte) error {
	w.all.mu.Lock()
	defer w.all.mu.Unlock()
	switch {
	case w.closed:
		return errBroken
	case n > w.sent || n < w.seen:
		return errUnsent
	}
	w.sawLocked(n)
	if w.all.draining.Load() {
		return errDraining
	}
	w.all.withholdLocked()
	now := time.Now()
	w.all.hits.Add(uint64(min(hits, HitsAtOnce+now.Sub(w.granted).Microseconds()*HitsPerMicrosecond)))
	w.granted = now
	w.owed, w.tag = true, append(w.tag[:0], tag...)
	w.putLocked(w.appendLease(w.out))
	return nil
}

// sawLocked notes that revision n was seen, and wakes those who wait for it. all.mu
// is held.
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
	delete(w.all.open, w) // so that the watch is told nothing any more
	w.left = true
	w.sawLocked(w.told)
	w.putLocked(append(protocol.AppendStatus(w.out, tag, protocol.OK, ""), '\n'))
}

// moving returns a channel that is closed when seen rises, or nil if revision n has
// been seen. For a watch that was lost the channel is never closed.
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

// begin returns the lines that are to be written now. The caller has to write them, and to
// call wrote or close. One goroutine writes at a time: begin waits while another one does.
// Without lines, begin waits for some if await is set, and else returns nil. ok is false
// if the watch is closed.
func (w *Watch) begin(await bool) (lines []byte, ok bool) {
	w.all.mu.Lock()
	defer w.all.mu.Unlock()
	for !w.closed && (w.sending > 0 || await && len(w.out) == 0) {
		w.moved.Wait()
	}
	if w.closed || len(w.out) == 0 {
		return nil, !w.closed
	}
	lines = w.out
	w.out, w.spare = w.spare, nil
	w.sending, w.sent, w.opening, w.owed = len(lines), w.told, 0, false
	return lines, true
}

// wrote notes that the lines that begin has returned are written. A caller that did not set
// await has to call begin again: it writes the lines that were added meanwhile itself, so
// the other goroutine need not be woken for them.
func (w *Watch) wrote(lines []byte, await bool) {
	w.all.mu.Lock()
	defer w.all.mu.Unlock()
	if cap(lines) <= smallBuffer {
		w.spare = lines[:0]
	}
	w.all.backlog -= w.sending
	w.sending = 0
	if await {
		w.moved.Broadcast()
	}
}

// close ends the watch. Unless the client has given its lease back, or has forgotten
// everything for a drain, Settled goes on waiting for the lease, because the client may not
// know of the end yet.
func (w *Watch) close() {
	w.all.mu.Lock()
	defer w.all.mu.Unlock()
	if w.closed {
		return
	}
	w.closed = true
	w.moved.Broadcast()
	delete(w.all.open, w)
	if forgotten := w.all.draining.Load() && w.seen >= w.all.drained; !w.left && !forgotten {
		w.all.awaitLease(w.granted)
	}
	w.all.backlog -= len(w.out) + w.sending
	w.out, w.sending = nil, 0
	w.all.places.Give(w.who)
}
