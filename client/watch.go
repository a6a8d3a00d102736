package client

import (
	"errors"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/neonauthd/neonauthd/protocol"
)

// idleWatch is how often the client checks whether there were lookups: a watch
// without a lookup between two checks ends. The first check comes earlier,
// after idleTime, because some programs make a Client for each request.
const idleWatch = 5 * time.Second

// The causes for which a watch ends, beside errors of its connection.
var (
	errUnused = errors.New("nobody asks anything any more")
	errNoVerb = errors.New("the daemon does not know the verb")
	errNoLine = errors.New("not a line of a watch")
)

// watch is the connection on which the daemon reports what must be forgotten.
// One goroutine, in run, reads and writes it.
type watch struct {
	nc     net.Conn
	lines  *protocol.LineReader
	keeper *keeper
	memory *memory // the keeper's

	untold bool        // an event came that no SEEN has confirmed yet
	look   time.Time   // the time of the next check for lookups
	renew  atomic.Bool // a lookup wants the lease extended
}

// wake wakes run from its read.
func (w *watch) wake() { _ = w.nc.SetReadDeadline(time.Unix(1, 0)) }

// run serves the watch until it ends, and returns why it ended.
func (w *watch) run() error {
	w.lines = protocol.NewLineReader(w.nc, protocol.MaxWatchLine)
	w.look = time.Now().Add(idleTime)
	w.memory.used.Store(false)
	w.memory.ask(w.keeper.clock())
	if err := w.write([]byte(protocol.WATCH)); err != nil {
		return err
	}
	for {
		if err := w.tell(); err != nil {
			return err
		}
		line, err := w.lines.ReadLine()
		if err == nil {
			err = w.heard(line)
		}
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
	}
}

// tell sends a SEEN if one is due. If several lines came together, it sends one
// SEEN for all of them.
func (w *watch) tell() error {
	if now := time.Now(); !now.Before(w.look) {
		if !w.memory.used.Swap(false) {
			return errUnused
		}
		w.look = now.Add(idleWatch)
	}
	_ = w.nc.SetReadDeadline(w.look) // before the checks: a later wake must be able to move the deadline
	switch {
	case w.keeper.barred():
		return errUnused
	case w.lines.Buffered() || !w.renew.Swap(false) && !w.untold:
		return nil
	case !w.memory.ask(w.keeper.clock()):
		return nil // the last SEEN must be answered first
	}
	w.untold = false
	return w.write(w.seen())
}

func (w *watch) seen() []byte {
	line := protocol.AppendInt([]byte(protocol.SEEN), protocol.FieldRev, w.memory.rev)
	return protocol.AppendInt(line, protocol.FieldHits, w.memory.hits.Swap(0))
}

func (w *watch) write(line []byte) error {
	_ = w.nc.SetWriteDeadline(time.Now().Add(renewAfter))
	_, err := w.nc.Write(append(line, '\n'))
	return err
}

// heard handles a line of the daemon.
func (w *watch) heard(line []byte) error {
	var r protocol.Reply
	if protocol.ParseReply(line, &r) != nil || len(r.Tag) > 0 {
		return errNoLine
	}
	forget, event := r.Fields.Get(protocol.FieldForget)
	lease, granted := r.Fields.Get(protocol.FieldLease)
	rev, err := w.revision(&r)
	switch up := w.memory.up.Load(); {
	case r.Status == protocol.ERR && !up && protocol.Code(r.Word) == protocol.CodeUnknownVerb:
		return errNoVerb
	case r.Status != protocol.OK || len(r.Rest) > 0 || err != nil || event == granted:
		return errNoLine
	case granted && w.granted(rev, lease), event && up && w.forgotten(rev.N, forget):
		return nil
	}
	return errNoLine
}

// revision reads the revision of the line. The first line names the run too.
func (w *watch) revision(r *protocol.Reply) (rev protocol.Revision, err error) {
	raw, _ := r.Fields.Get(protocol.FieldRev)
	if !w.memory.up.Load() {
		return protocol.ParseRevision(raw)
	}
	rev.N, err = protocol.Int(raw)
	return rev, err
}

func (w *watch) granted(rev protocol.Revision, raw []byte) bool {
	lease, err := protocol.Int(raw)
	return err == nil && lease > 0 && lease <= protocol.MaxLease && w.memory.grant(rev, time.Duration(lease)*time.Millisecond)
}

func (w *watch) forgotten(rev int64, raw []byte) bool {
	w.untold = true
	handles, err := protocol.ParseHandles(nil, raw, protocol.MaxForget) // nil with an error
	return (err == nil || string(raw) == protocol.ForgetAll) && w.memory.forget(event{rev, handles})
}

// quit tells the daemon that nothing is kept any more, so that it need not
// wait for the end of the lease. It returns when the daemon has closed the
// connection or does not answer in time.
func (w *watch) quit() {
	var last []byte
	if w.memory.hits.Load() > 0 {
		last = append(w.seen(), '\n')
	}
	err := w.write(append(last, protocol.QUIT...))
	for _ = w.nc.SetReadDeadline(time.Now().Add(renewAfter)); err == nil; {
		_, err = w.lines.ReadLine()
	}
}
