package daemon

import (
	"context"
	"time"

	"github.com/neonauthd/neonauthd/daemon/lease"
	"github.com/neonauthd/neonauthd/daemon/resolve"
	"github.com/neonauthd/neonauthd/daemon/revoke"
	"github.com/neonauthd/neonauthd/protocol"
)

// keeping is what a request says of keeping its answer. The zero value: it will not
// be kept.
type keeping struct {
	keep     bool
	revision protocol.Revision
}

// begin reads the revision, which has to be done before the lookup is decided: what
// ends later has a later one.
func (k *keeping) begin(leases *lease.Watches) {
	if k.keep {
		k.revision, k.keep = leases.Revision()
	}
}

// appendKept appends the fields that an accepted verdict has that is to be kept:
// nothing where none may be.
func (q *question) appendKept(dst []byte, leases *lease.Watches, v *resolve.Verdict) []byte {
	if _, granted := leases.Revision(); !granted || v.Status() != protocol.OK {
		return dst
	}
	var room [protocol.MaxHandles]resolve.Ground
	grounds := v.Grounds(room[:0], &q.Lookup)
	if len(grounds) == 0 {
		return dst
	}
	var handles [protocol.MaxHandles]protocol.Handle
	for i := range grounds {
		handles[i] = handleOf(leases, &grounds[i])
	}
	dst = protocol.AppendRevision(dst, q.revision)
	return protocol.AppendHandles(dst, protocol.FieldHandles, handles[:len(grounds)]...)
}

func handleOf(leases *lease.Watches, g *resolve.Ground) protocol.Handle {
	return leases.Handle(string(g.Kind), g.Project, g.Value)
}

// ended tells those who keep answers what these rest on and is no more: what was
// revoked or purged, here or on another host, or what package resolve has found out.
func (d *Daemon) ended(grounds ...resolve.Ground) {
	var handles []protocol.Handle
	for _, g := range grounds {
		switch g.Kind {
		case revoke.KindPurgeAll:
			d.leases.ForgetAll()
			return
		case revoke.KindPurgeSubject:
			g.Kind = revoke.KindSubject
		default:
		}
		handles = append(handles, handleOf(d.leases, &g))
	}
	d.leases.Forget(handles...)
}

// settled waits until nobody can use any more what was told to be forgotten.
func (a *admin) settled(ctx context.Context) *refusal {
	if a.daemon.leases.Settled(ctx) != nil {
		return &refusal{code: protocol.CodeUnavailable, advice: "done, but the daemon stops before every client that keeps answers has said that it has forgotten: for a second more some may be used"}
	}
	return nil
}

// watch makes the connection a watch, until it ends. False ends the connection.
func (c *conn) watch(r *protocol.Request) bool {
	if refused := c.refuseWatch(r); refused != nil {
		c.refuse(r.Tag, refused)
		return true
	}
	c.out.flush()
	c.misses.Wait()
	c.out.flush()
	w, ok := c.server.leases.Open(c.peer.id, r.Tag)
	if !ok {
		c.refuse(r.Tag, &refusal{code: protocol.CodeBusy, retryAfter: time.Second, advice: "no watch now: too many are open, or the daemon stops"})
		return true
	}
	err := w.Serve(watched{c})
	c.server.log.Debug("watch ended", "uid", c.peer.id.UID, "reason", err)
	return false
}

// refuseWatch says why the caller may have no watch, or nil.
func (c *conn) refuseWatch(r *protocol.Request) *refusal {
	if st := c.server.state.Load(); st != c.state {
		c.adopt(st)
	}
	if refused := takesNothing(r); refused != nil {
		return refused
	}
	if c.access.forbidden {
		return &refusal{code: protocol.CodeForbidden, advice: "no [[caller]] rule matches this user"}
	}
	return nil
}

// watched is a connection that has become a watch: nothing else reads or writes it.
type watched struct{ *conn }

// ReadLine returns the next line, within the time limits of every connection.
func (c watched) ReadLine() ([]byte, error) {
	c.timed = false
	return c.lines.ReadLine()
}

// Send writes lines. A peer that does not read them is cut off.
func (c watched) Send(lines []byte) error {
	_ = c.net.SetWriteDeadline(time.Now().Add(WriteTimeout)) // fails only when closed, and then so does Write
	_, err := c.net.Write(lines)
	return err
}

// HangUp ends both directions.
func (c watched) HangUp() { hangUp(c.net) }
