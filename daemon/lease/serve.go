package lease

import (
	"errors"
	"runtime"
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
// reason: nil after QUIT. A second goroutine writes what the watch is told to forget; it has
// ended when Serve returns.
func (w *Watch) Serve(c Conn) error {
	var writing sync.WaitGroup
	defer writing.Wait()
	defer w.close()
	writing.Go(func() {
		defer c.HangUp()
		w.write(c, true)
	})
	return w.read(c)
}

// write writes all lines that there are. If await is set, it goes on with later lines until
// the watch is closed. It returns false if the watch is closed, which it does itself if the
// lines cannot be written.
func (w *Watch) write(c Conn, await bool) bool {
	for {
		lines, ok := w.begin(await)
		if lines == nil {
			return ok
		}
		if c.Send(lines) != nil {
			w.close()
			return false
		}
		w.wrote(lines, await)
	}
}

// read reads the client's lines. It writes the answer to a line before it reads the next
// one, so a client that does not read is not heard. To leave the answer to the other
// goroutine would cost two changes of goroutines for each SEEN.
func (w *Watch) read(c Conn) error {
	for done := false; ; {
		if !w.write(c, false) {
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
		// A REVOKE waits for a line of each client, but not for the answers. So other
		// watches read the lines that have arrived before this one writes its answer.
		runtime.Gosched()
	}
}

// take carries out a line of the client. done means that the client has ended its watch.
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
