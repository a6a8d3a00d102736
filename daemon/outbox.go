package daemon

import (
	"net"
	"sync"
	"time"

	"github.com/neonauthd/neonauthd/protocol"
)

// Bounds of what is written.
const (
	// WriteTimeout is how long a peer may leave replies unread: at least this,
	// at most twice this.
	WriteTimeout = 5 * time.Second
	// maxUnwritten is how many bytes of replies are gathered for one write.
	maxUnwritten = 64 << 10
	// maxHeld is how many bytes of replies may wait for an earlier one before
	// no more lines are read.
	maxHeld = 1 << 20
)

// outbox is the writing half of a connection: it gathers replies into few
// writes, keeps untagged ones in the order of their requests, and cuts off a
// peer that does not read. Safe for concurrent use.
type outbox struct {
	net   net.Conn
	most  int    // untagged replies held back at once
	broke func() // called once the peer cannot be written to

	mu      sync.Mutex
	moved   sync.Cond // on mu: untagged replies have left ordered, or none will any more
	out     []byte    // replies to be written
	ordered []*slot   // untagged requests not yet answered, oldest first
	held    int       // bytes of replies in ordered
	writeBy time.Time
	broken  error // set once the peer cannot be written to
}

// slot keeps the place of an untagged reply.
type slot struct {
	reply []byte
	ready bool
}

func newOutbox(nc net.Conn, most int, broke func()) *outbox {
	o := &outbox{net: nc, most: most, broke: broke}
	o.moved.L = &o.mu
	return o
}

// verdict takes the reply to a lookup.
func (o *outbox) verdict(tag []byte, place *slot, v *Verdict) {
	o.mu.Lock()
	defer o.mu.Unlock()
	to := o.target(tag, place)
	*to = appendVerdict(*to, tag, v)
	o.settle(to)
}

// refusal takes the reply to a wrong request.
func (o *outbox) refusal(tag []byte, r *refusal) {
	o.mu.Lock()
	defer o.mu.Unlock()
	to := o.target(tag, nil)
	*to = appendRefusal(*to, tag, r)
	o.settle(to)
}

// reply takes any other reply.
func (o *outbox) reply(reply *protocol.Reply) {
	o.mu.Lock()
	defer o.mu.Unlock()
	to := o.target(reply.Tag, nil)
	*to = reply.Append(*to)
	o.settle(to)
}

// reserve takes the next place among the untagged replies; nil for a tag.
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

// room waits while too much is held back behind an untagged lookup in flight:
// quick answers to what a peer asks meanwhile would pile up without bound.
func (o *outbox) room() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.broken == nil && (len(o.ordered) >= o.most || o.held >= maxHeld) {
		o.write()
		o.moved.Wait()
	}
}

// flush writes what is gathered.
func (o *outbox) flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.write()
}

// abort ends the connection, which cannot go on for the reason err.
func (o *outbox) abort(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.end(err)
}

// target is the buffer that a reply belongs in: the one to be written next, or
// that of its place among the untagged ones. o.mu is held.
func (o *outbox) target(tag []byte, place *slot) *[]byte {
	if place == nil {
		if len(tag) > 0 || len(o.ordered) == 0 {
			return &o.out
		}
		place = &slot{} // ready, but others are before it
		o.ordered = append(o.ordered, place)
	}
	place.ready = true
	return &place.reply
}

// settle takes a reply written to what target returned: it moves the untagged
// ones whose turn has come, and writes once enough has gathered. o.mu is held.
func (o *outbox) settle(to *[]byte) {
	if to != &o.out {
		o.held += len(*to)
	}
	for len(o.ordered) > 0 && o.ordered[0].ready {
		o.held -= len(o.ordered[0].reply)
		o.out = append(o.out, o.ordered[0].reply...)
		o.ordered = o.ordered[1:]
		o.moved.Signal()
	}
	if len(o.out) >= maxUnwritten {
		o.write()
	}
}

// write writes what is gathered. A peer that does not read is cut off. o.mu is
// held.
func (o *outbox) write() {
	if len(o.out) == 0 {
		return
	}
	if o.broken != nil {
		o.out = nil
		return
	}
	if now := time.Now(); o.writeBy.Sub(now) < WriteTimeout {
		o.writeBy = now.Add(2 * WriteTimeout)
		_ = o.net.SetWriteDeadline(o.writeBy) // fails only when closed, and then so does Write
	}
	if _, err := o.net.Write(o.out); err != nil {
		o.end(err)
	}
	o.out = o.out[:0]
	if cap(o.out) > maxUnwritten {
		o.out = nil // one large profile does not stay for the connection's life
	}
}

// end closes the connection. o.mu is held.
func (o *outbox) end(err error) {
	o.broken = err
	o.broke()
	_ = o.net.Close()
	o.moved.Signal()
}
