package lease

import (
	"errors"
	"sync"

	"github.com/neonauthd/neonauthd/protocol"
)

// Conn is the connection of a watch.
type Conn interface {
	// ReadLine returns the client's next line, without its end. The line is valid until
	// the next call.
	ReadLine() ([]byte, error)
	// Send writes whole lines. It fails if the client does not read for long.
	Send(lines []byte) error
	// HangUp makes ReadLine return, now and in later calls. It may be called while
	// ReadLine or Send runs.
	HangUp()
}

// Serve speaks with the client until the watch ends. It closes the watch, and returns the
// reason: nil after QUIT. A goroutine writes the lines; it has ended when Serve returns.
func (w *Watch) Serve(c Conn) error {
	var writing sync.WaitGroup
	defer writing.Wait()
	defer w.close()
	writing.Go(func() { w.write(c) })
	return w.read(c)
}

// write writes the lines of the watch until the watch is closed.
func (w *Watch) write(c Conn) {
	defer c.HangUp()
	defer w.close()
	var lines []byte
	for {
		if lines = w.next(lines); lines == nil || c.Send(lines) != nil {
			return
		}
	}
}

// read reads the client's lines. It reads the next line only after the answer to the one
// before is written, so a client that does not read is not heard.
func (w *Watch) read(c Conn) error {
	for done := false; ; {
		if !w.flushed() {
			return errBroken
		}
		if done {
			return nil
		}
		line, err := c.ReadLine()
		if err == nil {
			done, err = w.take(line)
		}
		if err != nil {
			return err
		}
	}
}

// take carries out a line of the client. done means that the client has left.
func (w *Watch) take(line []byte) (done bool, err error) {
	var r protocol.Request
	if err := protocol.ParseRequest(line, &r); err != nil {
		return false, err
	}
	switch {
	case r.NArgs > 0:
	case protocol.Verb(r.Verb) == protocol.SEEN:
		n, hits, err := parseSeen(&r)
		if err != nil {
			return false, err
		}
		return false, w.saw(n, hits, r.Tag)
	case protocol.Verb(r.Verb) == protocol.QUIT && r.Fields.Len() == 0:
		w.leave(r.Tag)
		return true, nil
	}
	return false, errors.New("a watch takes SEEN and QUIT, and nothing else")
}

// parseSeen reads the fields of a SEEN.
func parseSeen(r *protocol.Request) (n, hits int64, err error) {
	for _, field := range []struct {
		name string
		to   *int64
	}{{protocol.FieldRev, &n}, {protocol.FieldHits, &hits}} {
		raw, _ := r.Fields.Get(field.name)
		if *field.to, err = protocol.Int(raw); err != nil || *field.to < 0 {
			return 0, 0, errors.New("SEEN takes rev and hits, two numbers")
		}
	}
	if r.Fields.Len() > 2 {
		return 0, 0, errors.New("SEEN takes rev and hits, and no other field")
	}
	return n, hits, nil
}
