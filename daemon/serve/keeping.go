package serve

import (
	"time"

	"github.com/neonauthd/neonauthd/daemon/lease"
	"github.com/neonauthd/neonauthd/daemon/resolve"
	"github.com/neonauthd/neonauthd/protocol"
)

// keeping says whether the client may keep the answer to a request, and for which
// revision. The zero value: the answer is not kept.
type keeping struct {
	keep     bool
	revision protocol.Revision
}

// begin reads the revision. It must be called before the lookup is decided, so that
// anything that ends the verdict later has a later revision.
func (k *keeping) begin(leases *lease.Watches) {
	if k.keep {
		k.revision, k.keep = leases.Revision()
	}
}

// renew takes the revision as it is now for the answer to a lookup that had to wait. It does so
// only if the verdict is still accepted after the revision was read. Otherwise the earlier revision
// remains, and the client refuses to keep the answer if something that it rests on has ended
// meanwhile.
func (c *conn) renew(a *ask, v *resolve.Verdict, terms *Terms) {
	if !a.keep || v.Status() != protocol.OK {
		return
	}
	now := keeping{keep: true}
	now.begin(c.server.leases)
	if now.keep && c.server.resolver.StillAccepted(&a.Lookup, v) && c.server.terms.Load() == terms {
		a.keeping = now
	}
}

// appendKept appends the fields that let a client keep an accepted verdict. It
// appends nothing if the verdict may not be kept.
func (o *outbox) appendKept(dst []byte, q *question, v *resolve.Verdict) []byte {
	if _, granted := o.leases.Revision(); !granted || v.Status() != protocol.OK {
		return dst
	}
	var room [protocol.MaxHandles]resolve.Ground
	grounds := o.resolver.Grounds(room[:0], &q.Lookup, v)
	if len(grounds) == 0 {
		return dst
	}
	var handles [protocol.MaxHandles]protocol.Handle
	for i := range grounds {
		handles[i] = HandleOf(o.leases, &grounds[i])
	}
	dst = protocol.AppendRevision(dst, q.revision)
	return protocol.AppendHandles(dst, protocol.FieldHandles, handles[:len(grounds)]...)
}

// HandleOf returns the handle of a ground, for clients that keep answers.
func HandleOf(leases *lease.Watches, g *resolve.Ground) protocol.Handle {
	return leases.Handle(string(g.Kind), g.Project, g.Value)
}

// watch makes the connection a watch until the watch ends. It returns false if the
// connection ends.
func (c *conn) watch(r *protocol.Request) bool {
	if refused := c.refuseWatch(r); refused != nil {
		c.refuse(r.Tag, refused)
		return true
	}
	c.out.flush()
	c.pending.Wait()
	c.out.flush()
	w, ok := c.server.leases.Open(c.peer.id, r.Tag)
	if !ok {
		c.refuse(r.Tag, &Refusal{Code: protocol.CodeBusy, RetryAfter: time.Second, Advice: "no watch now: too many are open, or the daemon stops"})
		return true
	}
	err := w.Serve(watched{c})
	c.server.log.Debug("watch ended", "uid", c.peer.id.UID, "reason", err)
	return false
}

// refuseWatch returns why the caller may have no watch, or nil.
func (c *conn) refuseWatch(r *protocol.Request) *Refusal {
	c.updateTerms()
	if refused := TakesNothing(r); refused != nil {
		return refused
	}
	if c.permission.nothing() {
		return noRule()
	}
	return nil
}

// watched is a connection that has become a watch. Nothing else reads or writes the
// connection.
type watched struct{ *conn }

// ReadLine returns the next line, within the time limits of every connection.
func (c watched) ReadLine() ([]byte, error) {
	c.timed = false
	return c.lines.ReadLine()
}

// Send writes lines. A peer that does not read them is cut off.
func (c watched) Send(lines []byte) error {
	_ = c.net.SetWriteDeadline(time.Now().Add(WriteTimeout)) // fails only on a closed connection, and then Write fails too
	_, err := c.net.Write(lines)
	return err
}

// HangUp ends both directions.
func (c watched) HangUp() { hangUp(c.net) }
