package accesslog

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/neonauthd/neonauthd/internal/e2e"
)

// TestWhatWasInheritedIsWrittenTo: an inherited descriptor's path is a link,
// and containers log to it.
func TestWhatWasInheritedIsWrittenTo(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	e2e.Must(t, err)
	defer file.Close()
	saved, err := syscall.Dup(1)
	e2e.Must(t, err)
	defer syscall.Close(saved)
	for _, name := range []string{"/dev/stdout", "/dev/fd/1"} {
		e2e.Must(t, file.Truncate(0))
		l, said := newLog(t, "file:"+name)
		e2e.Must(t, syscall.Dup3(int(file.Fd()), 1, 0))
		running(t, l, func() { l.Write(lineOf("P")) })
		e2e.Must(t, syscall.Dup3(saved, 1, 0))
		if text, err := os.ReadFile(file.Name()); string(text) != written {
			t.Errorf("%s: %q %v %s", name, text, err, said)
		}
	}
}
