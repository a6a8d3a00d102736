package serve

import (
	"bytes"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/daemon/lease"
	"github.com/neonauthd/neonauthd/daemon/membership"
	"github.com/neonauthd/neonauthd/daemon/resolve"
	"github.com/neonauthd/neonauthd/internal/accesslog"
	"github.com/neonauthd/neonauthd/protocol"
)

// Bounds of what is written.
const (
	// WriteTimeout is how long a peer may leave replies unread: at least this,
	// at most twice this.
	WriteTimeout = 5 * time.Second
	// MinShared is the size from which a body is not copied into the gathered
	// replies. It is written from where it is, and all replies with this body share
	// it.
	MinShared = 4 << 10
	// MaxHeld is how many bytes of finished replies may wait for an earlier reply;
	// shared bodies are not counted. When more wait, no more lines are read.
	MaxHeld = 16 << 10
)

// outbox is the writing half of a connection. It gathers replies into few writes,
// keeps untagged replies in the order of their requests, and cuts off a peer that
// does not read. It is safe for concurrent use.
type outbox struct {
	net       net.Conn
	who       fair.ID // the caller of the connection
	from      *accesslog.Caller
	wide      *wideBuffers
	most      int // how many untagged replies are held back at most
	counters  *Counters
	log       *slog.Logger // nil: none
	accessLog *accesslog.Log
	leases    *lease.Watches
	resolver  *resolve.Resolver
	outboxCalls

	mu      sync.Mutex
	moved   sync.Cond // on mu: untagged replies have left ordered, or the connection has ended
	out     []byte    // replies to be written
	narrow  []byte    // the connection's own buffer, while out uses a lent one
	lent    *[]byte
	parts   [3][]byte // of a write with a shared body
	ordered []*slot   // untagged requests not yet answered, oldest first
	held    int       // bytes of replies in ordered
	writeBy time.Time
	broken  error // set when the peer cannot be written to any more
}

// outboxCalls are the functions of the connection that an outbox needs.
type outboxCalls struct {
	// confirm judges again a verdict that had to wait. (The verdict goes by value: a
	// pointer would cost every verdict an allocation.)
	confirm func(l *resolve.Lookup, v resolve.Verdict) resolve.Verdict
	// hearing tells whether and when this host has heard its fleet.
	hearing func() membership.Hearing
	// broke is called when the peer cannot be written to any more.
	broke func()
}

func newOutbox(nc net.Conn, who fair.ID, from *accesslog.Caller, s *Server, most int, calls outboxCalls) *outbox {
	o := &outbox{net: nc, who: who, from: from, wide: s.wide, counters: s.counters, log: s.log, accessLog: s.accessLog, leases: s.leases, resolver: s.resolver, most: most, outboxCalls: calls}
	o.moved.L = &o.mu
	return o
}

// slot keeps the place of an untagged reply. When the turn of a verdict comes, it is
// judged again and then written out.
type slot struct {
	reply  []byte // of any reply that is not a verdict
	answer *answer
	ready  bool
}

// answer is a verdict, the question that it answers, and its body if the body is
// shared.
type answer struct {
	question
	verdict resolve.Verdict
	body    fair.Held
}

// answerBytes is how many bytes an answer counts for, besides its token and a body
// that is not shared. A test compares it with the structures.
const answerBytes = 376

// size returns how many bytes the slot counts for while it waits.
func (s *slot) size() int {
	switch {
	case s.answer == nil:
		return len(s.reply)
	case s.answer.body.Bytes() != nil:
		return answerBytes + len(s.answer.Token)
	}
	return answerBytes + len(s.answer.Token) + len(s.answer.verdict.Body)
}

// verdict takes the reply to a lookup, and the hold on its body if the body is
// shared.
func (o *outbox) verdict(tag []byte, place *slot, q *question, v *resolve.Verdict, body fair.Held) {
	waited := !o.mu.TryLock() // another goroutine may hold the lock while it writes, which takes as long as the peer likes
	if waited {
		o.mu.Lock()
	}
	defer o.mu.Unlock()
	if place == nil && (len(tag) > 0 || len(o.ordered) == 0) {
		o.render(tag, q, v, body, waited)
		o.settle()
		return
	}
	place = o.take(place)
	place.answer = &answer{*q, *v, body}
	place.answer.Token = bytes.Clone(q.Token)
	o.held += place.size()
	o.settle()
}

// render writes out a verdict and releases its body. o.mu is held.
func (o *outbox) render(tag []byte, q *question, v *resolve.Verdict, body fair.Held, waited bool) {
	defer body.Release()
	before := v.Level
	if waited {
		*v = o.confirm(&q.Lookup, *v)
	}
	var kept []byte
	if q.keep {
		kept = o.appendKept(nil, q, v)
	}
	applyHearing(o.hearing(), &q.Lookup, v)
	o.counters.count(&q.Lookup, v) // last, because it counts the verdict that the caller gets
	if !q.asked.IsZero() {
		o.logAnswer(q, v)
	}
	shared := body.Bytes()
	if shared == nil || v.Status() != protocol.OK || v.Level != before {
		o.out = appendVerdict(o.out, tag, v, kept)
		return
	}
	o.out = append(appendAccepted(o.out, tag, v, kept), ' ')
	o.write(shared)
}

// refusal takes the reply to a refused request. If a place was reserved for the
// reply, it goes there.
func (o *outbox) refusal(tag []byte, place *slot, r *Refusal) {
	o.mu.Lock()
	defer o.mu.Unlock()
	to := o.target(tag, place)
	*to = appendRefusal(*to, tag, r)
	o.count(to)
	o.settle()
}

// reply takes any other reply. If a place was reserved for the reply, it goes there.
func (o *outbox) reply(place *slot, reply *protocol.Reply) {
	o.mu.Lock()
	defer o.mu.Unlock()
	to := o.target(reply.Tag, place)
	*to = reply.Append(*to)
	o.count(to)
	o.settle()
}

// reserve takes the next place among the untagged replies. For a tagged reply it
// returns nil.
func (o *outbox) reserve(tag []byte) *slot {
	if len(tag) > 0 {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	s := &slot{}
	o.ordered = append(o.ordered, s)
	return s
}

// waitForRoom waits while too much is held back behind an untagged lookup in flight.
// Otherwise the replies to a peer's further requests would pile up without bound.
func (o *outbox) waitForRoom() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.broken == nil && (len(o.ordered) >= o.most || o.held >= MaxHeld) {
		o.write(nil)
		o.moved.Wait()
	}
}

// flush writes the gathered replies.
func (o *outbox) flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.write(nil)
}

// abort ends the connection because of err.
func (o *outbox) abort(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.end(err)
}

// target returns the buffer for a reply: out, or the reply buffer of a place among
// the untagged replies. If place is nil and earlier untagged replies wait, target
// adds a new place at the end. o.mu is held.
func (o *outbox) target(tag []byte, place *slot) *[]byte {
	if len(tag) > 0 || place == nil && len(o.ordered) == 0 {
		return &o.out
	}
	return &o.take(place).reply
}

// take marks a place as ready, or adds a new ready place at the end if place is nil.
// o.mu is held.
func (o *outbox) take(place *slot) *slot {
	if place == nil {
		place = &slot{}
		o.ordered = append(o.ordered, place)
	}
	place.ready = true
	return place
}

// count adds a reply in a buffer of target to held, unless the buffer is out. o.mu is
// held.
func (o *outbox) count(to *[]byte) {
	if to != &o.out {
		o.held += len(*to)
	}
}

// settle moves the untagged replies whose turn has come to out, and writes each time
// that enough is gathered. o.mu is held.
func (o *outbox) settle() {
	for len(o.ordered) > 0 && o.ordered[0].ready {
		first := o.ordered[0]
		o.held -= first.size()
		if a := first.answer; a != nil {
			// If render panics, the reply is missing: it keeps its place, so that no later reply is taken for it, and
			// close must not release the body again.
			first.answer, first.ready = nil, false
			o.render(nil, &a.question, &a.verdict, a.body, true)
		} else {
			o.out = append(o.out, first.reply...)
		}
		o.ordered[0] = nil
		o.ordered = o.ordered[1:]
		o.moved.Signal()
		if o.full() {
			o.write(nil)
		}
	}
	if o.full() {
		o.write(nil)
	}
}

// full reports whether the gathered replies must be written before more are added. It
// may take a wide buffer instead. o.mu is held.
func (o *outbox) full() bool {
	switch {
	case len(o.out) < MaxGathered:
		return false
	case o.lent != nil:
		return len(o.out) >= MaxGatheredWide
	case o.broken != nil:
		return true
	}
	if o.lent = o.wide.lend(o.who); o.lent == nil {
		return true
	}
	o.narrow, o.out = o.out, append(*o.lent, o.out...)
	return false
}

// empty clears the gathered replies. o.mu is held.
func (o *outbox) empty() {
	if o.lent != nil {
		o.wide.giveBack(o.who, o.lent)
		o.out, o.narrow, o.lent = o.narrow, nil, nil
	}
	o.out = o.out[:0]
	if cap(o.out) > MaxGathered+2*MinShared {
		o.out = nil // so that one large reply does not use memory for the connection's whole life
	}
}

// write writes the gathered replies and then shared, unless it is nil. shared is the
// body at the end of the last line. A peer that does not read is cut off. o.mu is
// held.
func (o *outbox) write(shared []byte) {
	if len(o.out) == 0 {
		return
	}
	defer o.empty()
	if o.broken != nil {
		return
	}
	if now := time.Now(); o.writeBy.Sub(now) < WriteTimeout {
		o.writeBy = now.Add(2 * WriteTimeout)
		_ = o.net.SetWriteDeadline(o.writeBy) // fails only on a closed connection, and then Write fails too
	}
	if err := o.send(shared); err != nil {
		o.end(err)
	}
}

// send gives the kernel the gathered replies and the shared body, if there is one,
// without copying them. o.mu is held.
func (o *outbox) send(shared []byte) error {
	if shared == nil {
		_, err := o.net.Write(o.out)
		return err
	}
	o.parts = [...][]byte{o.out, shared, {'\n'}}
	parts := net.Buffers(o.parts[:])
	_, err := parts.WriteTo(o.net)
	o.parts = [len(o.parts)][]byte{}
	return err
}

// end ends the connection. o.mu is held.
func (o *outbox) end(err error) {
	o.broken = err
	o.broke()
	hangUp(o.net)
	o.moved.Signal()
}

// close releases the bodies that are still held. It is called when no goroutine hands
// over replies or waits for them any more: if a reply is missing, the replies behind
// it were never written.
func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, s := range o.ordered {
		if s.answer != nil {
			s.answer.body.Release()
		}
	}
	o.empty()
	o.ordered, o.held, o.out = nil, 0, nil
}
