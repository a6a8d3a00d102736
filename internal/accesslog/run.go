package accesslog

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"time"

	"github.com/neonauthd/neonauthd/internal/program"
)

// Bounds of the writing.
const (
	maxGathered = 64 << 10    // bytes of lines for one write
	writeLimit  = time.Second // for connecting, and for a write
	lastLimit   = 2 * time.Second
	// complaintInterval is how often it is logged that lines are lost.
	complaintInterval = 10 * time.Second
)

// writer is the part of a Log that only Run uses.
type writer struct {
	*Log
	out     destination // nil: has to be opened
	old     bool        // out is a file that could not be opened again
	torn    bool        // the file ends within a line
	file    os.FileInfo // of the file that torn is about; nil: there was none
	text    bytes.Buffer
	count   int       // of lines in text
	end     time.Time // deadline for everything that is left; zero: ctx has not ended
	failing bool
	lostAt  uint64 // number of lost lines when writing began to fail
	toldOf  uint64 // number of lost lines that were logged
}

// Run opens the destination and writes lines until ctx ends. Then it writes the lines that
// still wait, and returns.
func (l *Log) Run(ctx context.Context) {
	if l == nil {
		return
	}
	w := &writer{Log: l}
	defer w.close()
	w.put() // opens it
	for {
		select {
		case line := <-l.lines:
			w.write(line)
		case <-l.reopen:
			w.renew()
			w.put()
		case <-ctx.Done():
			w.end = time.Now().Add(lastLimit)
			for {
				select {
				case line := <-l.lines:
					w.write(line)
				default:
					return
				}
			}
		}
	}
}

// write writes a line, and others that wait.
func (w *writer) write(line Line) {
	w.gather(line)
	for more := true; more && w.text.Len() < maxGathered; {
		select {
		case line := <-w.lines:
			w.gather(line)
		default:
			more = false
		}
	}
	w.put()
}

func (w *writer) gather(line Line) {
	line.Time, line.Subject = line.Time.UTC(), w.Key.Subject(line.Subject)
	text, err := json.Marshal(line)
	if err != nil { // a bug
		w.lost.Add(1)
		return
	}
	w.text.Write(text)
	w.text.WriteByte('\n')
	w.count++
}

// put writes the gathered lines, over a new connection if the last one has failed.
func (w *writer) put() {
	select {
	case <-w.reopen: // before the lines that come from now on
		w.renew()
	default:
		if w.old {
			w.renew()
		}
	}
	rest, failed := w.text.Bytes(), error(nil)
	for range 2 {
		if failed = w.open(); failed != nil {
			break
		}
		var n int
		if n, failed = w.send(rest); failed == nil {
			break
		}
		whole := bytes.LastIndexByte(rest[:n], '\n') + 1
		if _, file := w.out.(*os.File); n > 0 { // otherwise the file ends as it did before
			w.torn = file && n > whole
		}
		w.done(bytes.Count(rest[:whole], []byte{'\n'}))
		rest = rest[whole:]
		w.close()
	}
	if failed == nil {
		w.done(w.count)
	}
	w.tell(failed)
	w.toldOf = w.lost.Add(uint64(w.count))
	w.text.Reset()
	w.count = 0
}

// send writes text, and returns how many bytes of it were written.
func (w *writer) send(text []byte) (n int, err error) {
	if len(text) == 0 {
		return 0, nil
	}
	_ = w.out.SetWriteDeadline(w.limit())
	if w.torn { // the next text has to begin a new line
		if _, err := w.out.Write([]byte{'\n'}); err != nil {
			return 0, err
		}
		w.torn = false
	}
	return w.out.Write(text)
}

// done counts lines of text as written.
func (w *writer) done(lines int) {
	w.written.Add(uint64(lines))
	w.count -= lines
}

// limit returns the deadline of a step.
func (w *writer) limit() time.Time {
	at := time.Now().Add(writeLimit)
	if !w.end.IsZero() && at.After(w.end) {
		return w.end
	}
	return at
}

// renew opens the destination again. If this fails, a file stays open: its lines go to where
// the operator has moved it, and are not lost.
func (w *writer) renew() {
	if _, file := w.out.(*os.File); !file {
		w.close()
		return
	}
	next, err := w.connect(w.limit())
	if err != nil {
		w.old = true
		w.Logger.Error("access log not opened anew: lines go on into the file that was open before; mend what the error names, it is tried again with each request",
			program.Every(complaintInterval), slog.String("error", err.Error()))
		return
	}
	if w.old {
		w.Logger.Info("access log opened anew")
	}
	w.close()
	w.use(next)
}

func (w *writer) open() error {
	if w.out != nil {
		return nil
	}
	next, err := w.connect(w.limit())
	if err == nil {
		w.use(next)
	}
	return err
}

// use makes next the destination. It may be a file that this process, or one before it, has left in
// the middle of a line.
func (w *writer) use(next destination) {
	w.out = next
	before := w.file
	w.file = nil
	file, ok := next.(*os.File)
	if !ok {
		w.torn = false
		return
	}
	w.file, _ = file.Stat()
	if cut, known := endsWithinLine(file); known {
		w.torn = cut
	} else if before == nil || w.file == nil || !os.SameFile(before, w.file) {
		w.torn = false
	}
}

func (w *writer) close() {
	if w.out != nil {
		_ = w.out.Close()
		w.out, w.old = nil, false
	}
}

// tell logs when lines begin to be lost, repeats this from time to time, and logs when
// lines are written again.
func (w *writer) tell(failed error) {
	switch {
	case failed != nil:
		if !w.failing {
			w.failing, w.lostAt = true, w.lost.Load()
		}
		w.Logger.Error("access log not written: requests are answered without a line in it, and counted; mend what the error names, it is tried again with each request",
			program.Every(complaintInterval), slog.String("error", failed.Error()))
	case w.failing:
		w.failing = false
		w.Logger.Info("access log written again", "lost", w.lost.Load()-w.lostAt)
	case w.lost.Load() > w.toldOf:
		w.Logger.Warn("access log lacks lines: more come than its destination takes; give it a faster one",
			program.Every(complaintInterval), slog.Uint64("lost", w.lost.Load()-w.toldOf))
	}
}
