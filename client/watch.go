package client

import (
	"errors"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/neonauthd/neonauthd/protocol"
)

// idleWatch is for how long nobody may ask anything before the watch ends; it
// may take twice as long. When nobody asks right after it was opened it ends
// after idleTime: there are programs that make a client for each request.
const idleWatch = 5 * time.Second

// Why a watch ends, beside errors of its connection.
var (
	errUnused = errors.New("nobody asks anything any more")
	errNoVerb = errors.New("the daemon does not know the verb")
	errNoLine = errors.New("not a line of a watch")
	errForked = errors.New("it is another process's")
)

// watch is the connection on which the daemon says what is to be forgotten. One
// goroutine reads and writes it, in run.
type watch struct {
	nc      net.Conn
	lines   *protocol.LineReader
	process int // whose watch it is: a fork's child must not speak for its parent
	memory  *memory
	clock   func() instant

	up     bool      // the daemon has granted it
	rev    int64     // the last revision that it has told
	untold bool      // something was forgotten that no SEEN has told
	told   int64     // hits that were told
	asked  int64     // lookups at the last look
	look   time.Time // when to look next whether there were any

	renew atomic.Bool // a lookup wants the lease to go on
	end   atomic.Bool // the client wants the watch to end
}

// want has run look up from reading, if nobody has yet.
func (w *watch) want(what *atomic.Bool) {
	if !what.Swap(true) {
		_ = w.nc.SetReadDeadline(time.Unix(1, 0))
	}
}

// run speaks with the daemon until there is no watch any more, and says why.
func (w *watch) run() error {
	w.lines = protocol.NewLineReader(w.nc, protocol.MaxWatchLine)
	w.asked, w.look = w.lookups(), time.Now().Add(idleTime)
	w.memory.ask(w.clock())
	err := w.write([]byte(protocol.WATCH))
	for err == nil {
		if err = w.tell(); err != nil {
			break
		}
		var line []byte
		if line, err = w.lines.ReadLine(); err == nil {
			err = w.heard(line)
		} else if errors.Is(err, os.ErrDeadlineExceeded) {
			err = w.lookAround()
		}
	}
	return err
}

// tell sends the SEEN that is due. Where several lines came together, that is
// one for all of them.
func (w *watch) tell() error {
	_ = w.nc.SetReadDeadline(w.look) // first: whoever wants something from now on moves it
	switch {
	case w.end.Load():
		return errUnused
	case w.lines.Buffered() || !w.renew.Swap(false) && !w.untold:
		return nil
	case !w.memory.ask(w.clock()):
		return nil // the answer to the last one comes first
	}
	w.untold = false
	return w.write(w.seen())
}

func (w *watch) seen() []byte {
	hits := w.memory.hits.Swap(0)
	w.told += hits
	return protocol.AppendInt(protocol.AppendInt([]byte(protocol.SEEN), protocol.FieldRev, w.rev), protocol.FieldHits, hits)
}

func (w *watch) write(line []byte) error {
	if os.Getpid() != w.process {
		return errForked
	}
	_ = w.nc.SetWriteDeadline(time.Now().Add(renewAfter))
	_, err := w.nc.Write(append(line, '\n'))
	return err
}

// lookAround ends a watch that nobody needs.
func (w *watch) lookAround() error {
	if time.Now().Before(w.look) {
		return nil // it was woken
	}
	before := w.asked
	w.asked, w.look = w.lookups(), time.Now().Add(idleWatch)
	if w.asked == before {
		return errUnused
	}
	return nil
}

func (w *watch) lookups() int64 {
	return w.told + w.memory.hits.Load() + w.memory.misses.Load()
}

// heard does what a line of the daemon says.
func (w *watch) heard(line []byte) error {
	var r protocol.Reply
	if protocol.ParseReply(line, &r) != nil || len(r.Tag) > 0 {
		return errNoLine
	}
	forget, event := r.Fields.Get(protocol.FieldForget)
	lease, granted := r.Fields.Get(protocol.FieldLease)
	rev, err := w.revision(&r)
	switch {
	case r.Status == protocol.ERR && !w.up && protocol.Code(r.Word) == protocol.CodeUnknownVerb:
		return errNoVerb
	case r.Status != protocol.OK || len(r.Rest) > 0 || err != nil || event == granted:
		return errNoLine
	case granted && w.granted(rev, lease), event && w.up && w.forgotten(rev.N, forget):
		w.rev = rev.N
		return nil
	}
	return errNoLine
}

// revision reads how far the line goes; the first one names the run.
func (w *watch) revision(r *protocol.Reply) (rev protocol.Revision, err error) {
	raw, _ := r.Fields.Get(protocol.FieldRev)
	if !w.up {
		return protocol.ParseRevision(raw)
	}
	rev.N, err = protocol.Int(raw)
	return rev, err
}

func (w *watch) granted(rev protocol.Revision, raw []byte) bool {
	lease, err := protocol.Int(raw)
	w.up = err == nil && lease > 0 && lease <= protocol.MaxLease && w.memory.grant(rev, time.Duration(lease)*time.Millisecond)
	return w.up
}

func (w *watch) forgotten(rev int64, raw []byte) bool {
	w.untold = true
	if string(raw) == protocol.ForgetAll {
		return w.memory.forget(rev, nil, true)
	}
	handles, err := protocol.ParseHandles(nil, raw, protocol.MaxForget)
	return err == nil && w.memory.forget(rev, handles, false)
}

// farewell tells the daemon that nothing is kept any more, so that it need not
// wait for the lease to end. It returns when the daemon has heard that, or does
// not answer.
func (w *watch) farewell() {
	var last []byte
	if w.memory.hits.Load() > 0 {
		last = append(w.seen(), '\n')
	}
	err := w.write(append(last, protocol.QUIT...))
	for _ = w.nc.SetReadDeadline(time.Now().Add(renewAfter)); err == nil; {
		_, err = w.lines.ReadLine()
	}
}
