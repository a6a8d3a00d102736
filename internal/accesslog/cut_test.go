package accesslog

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/internal/e2e/need"
)

// TestALineThatWasCutDoesNotSpoilTheNext: a disk may become full in the middle of a line.
func TestALineThatWasCutDoesNotSpoilTheNext(t *testing.T) {
	l, _ := newLog(t, "file:"+filepath.Join(need.Folder(t), "log"))
	w := &writer{Log: l}
	defer w.close()
	w.gather(lineOf("1"))
	w.gather(lineOf("2"))
	cut := &cutting{room: len(written) + 5}
	w.out = cut
	w.put() // the second attempt opens the real file
	text, err := os.ReadFile(strings.TrimPrefix(l.Destination, "file:"))
	if err != nil || string(text) != strings.Replace(written, "P", "2", 1) || l.Written() != 2 || l.Lost() != 0 {
		t.Errorf("%q then %q (%v); written %d, lost %d", cut.text, text, err, l.Written(), l.Lost())
	}
	w.torn = true // as after a write to a file that ended within a line
	w.gather(lineOf("3"))
	w.put()
	if text, _ := os.ReadFile(strings.TrimPrefix(l.Destination, "file:")); !strings.HasSuffix(string(text), "}\n\n"+strings.Replace(written, "P", "3", 1)) {
		t.Errorf("%q", text)
	}
}

// TestAFullDiskDoesNotHideThatALineWasCut: attempts that write nothing come between the
// line that was cut and the next one.
func TestAFullDiskDoesNotHideThatALineWasCut(t *testing.T) {
	path := filepath.Join(need.Folder(t), "log")
	l, _ := newLog(t, "file:"+path)
	w := &writer{Log: l}
	defer w.close()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	need.Host(t, err == nil, "no /dev/full here")
	e2e.Must(t, os.WriteFile(path, []byte(`{"time`), 0o600))
	w.out, w.torn = full, true
	w.gather(lineOf("1"))
	w.put() // fails there, and is written to the real file
	if text, _ := os.ReadFile(path); string(text) != `{"time`+"\n"+strings.Replace(written, "P", "1", 1) {
		t.Errorf("%q", text)
	}
}

// TestAFileIsGoneOnWithAtTheBeginningOfALine, however the process before has left it. A start that writes no line changes
// nothing.
func TestAFileIsGoneOnWithAtTheBeginningOfALine(t *testing.T) {
	line := strings.Replace(written, "P", "1", 1)
	for name, c := range map[string]struct{ before, after string }{
		"no file":      {"", line},
		"whole lines":  {written, written + line},
		"a line's end": {"\n", "\n" + line},
		"half a line":  {written + written[:20], written + written[:20] + "\n" + line},
		"a byte":       {"{", "{\n" + line},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(need.Folder(t), "log")
			if c.before != "" {
				e2e.Must(t, os.WriteFile(path, []byte(c.before), 0o600))
			}
			l, _ := newLog(t, "file:"+path)
			running(t, l, func() {})
			if text, err := os.ReadFile(path); string(text) != c.before {
				t.Errorf("without a line: %q, %v", text, err)
			}
			running(t, l, func() { l.Write(lineOf("1")) })
			if text, err := os.ReadFile(path); string(text) != c.after {
				t.Errorf("%q, %v", text, err)
			}
		})
	}
}

// TestANewFileBeginsWithALine, although the one before it was moved away in the middle of a line.
func TestANewFileBeginsWithALine(t *testing.T) {
	path := filepath.Join(need.Folder(t), "d", "log")
	e2e.Must(t, os.Mkdir(filepath.Dir(path), 0o700))
	l, _ := newLog(t, "file:"+path)
	w := &writer{Log: l}
	defer w.close()
	e2e.Must(t, os.WriteFile(path, []byte("{"), 0o600))
	e2e.Must(t, w.open())
	if !w.torn {
		t.Error("the cut was not seen")
	}
	w.torn = true
	w.close() // as after a write that failed
	e2e.Must(t, os.Rename(path, path+".1"))
	l.Reopen()
	w.gather(lineOf("1"))
	w.put()
	if text, err := os.ReadFile(path); string(text) != strings.Replace(written, "P", "1", 1) {
		t.Errorf("%q, %v", text, err)
	}
}

// cutting is a destination that becomes full.
type cutting struct {
	room int
	text []byte
}

func (c *cutting) Write(p []byte) (int, error) {
	n := min(len(p), c.room)
	c.text, c.room = append(c.text, p[:n]...), c.room-n
	if n < len(p) {
		return n, syscall.ENOSPC
	}
	return n, nil
}
func (c *cutting) Close() error                     { return nil }
func (c *cutting) SetWriteDeadline(time.Time) error { return nil }
