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

// slot keeps the place of an untagged reply. A verdict is written out only when
// its turn has come: until then it shares its body, which may be a profile of
// megabytes, with all who wait for the same.
type slot struct {
	reply   []byte // of anything but a verdict
	verdict *Verdict
	rights  access // of the caller, to the verdict
	ready   bool
}

// slotBytes is what a verdict in a slot counts for besides its body.
const slotBytes = 256

// size is what the slot counts for while it waits.
func (s *slot) size() int {
	if s.verdict != nil {
		return slotBytes + len(s.verdict.Body)
	}
	return len(s.reply)
}

func newOutbox(nc net.Conn, most int, broke func()) *outbox {
	o := &outbox{net: nc, most: most, broke: broke}
	o.moved.L = &o.mu
	return o
}

// verdict takes the reply to a lookup by a caller with these rights.
func (o *outbox) verdict(tag []byte, place *slot, v *Verdict, rights *access) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if place == nil && (len(tag) > 0 || len(o.ordered) == 0) {
		o.render(tag, v, rights)
		o.settle()
		return
	}
	place = o.take(place)
	kept := *v
	place.verdict, place.rights = &kept, *rights
	o.held += place.size()
	o.settle()
}

// render writes out a verdict, less what is withheld from the caller. o.mu is
// held.
func (o *outbox) render(tag []byte, v *Verdict, rights *access) {
	v.Body = rights.redact(v)
	o.out = appendVerdict(o.out, tag, v)
}

// refusal takes the reply to a wrong request.
func (o *outbox) refusal(tag []byte, r *refusal) {
	o.mu.Lock()
	defer o.mu.Unlock()
	to := o.target(tag)
	*to = appendRefusal(*to, tag, r)
	o.count(to)
	o.settle()
}

// reply takes any other reply.
func (o *outbox) reply(reply *protocol.Reply) {
	o.mu.Lock()
	defer o.mu.Unlock()
	to := o.target(reply.Tag)
	*to = reply.Append(*to)
	o.count(to)
	o.settle()
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
// that of a place behind the untagged ones. o.mu is held.
func (o *outbox) target(tag []byte) *[]byte {
	if len(tag) > 0 || len(o.ordered) == 0 {
		return &o.out
	}
	return &o.take(nil).reply
}

// take makes a place ready, a new one behind all others if it is nil. o.mu is
// held.
func (o *outbox) take(place *slot) *slot {
	if place == nil {
		place = &slot{}
		o.ordered = append(o.ordered, place)
	}
	place.ready = true
	return place
}

// count counts a reply written to what target returned as held, if it is. o.mu
// is held.
func (o *outbox) count(to *[]byte) {
	if to != &o.out {
		o.held += len(*to)
	}
}

// settle moves the untagged replies whose turn has come, and writes whenever
// enough has gathered. o.mu is held.
func (o *outbox) settle() {
	for len(o.ordered) > 0 && o.ordered[0].ready {
		first := o.ordered[0]
		o.held -= first.size()
		if first.verdict != nil {
			o.render(nil, first.verdict, &first.rights)
		} else {
			o.out = append(o.out, first.reply...)
		}
		o.ordered[0] = nil
		o.ordered = o.ordered[1:]
		o.moved.Signal()
		if len(o.out) >= maxUnwritten {
			o.write()
		}
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
