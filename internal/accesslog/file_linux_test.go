package accesslog

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestWhatWasInheritedIsWrittenTo: an inherited descriptor's path is a link,
// and containers log to it.
func TestWhatWasInheritedIsWrittenTo(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	must(t, err)
	defer file.Close()
	saved, err := syscall.Dup(1)
	must(t, err)
	defer syscall.Close(saved)
	for _, name := range []string{"/dev/stdout", "/dev/fd/1"} {
		must(t, file.Truncate(0))
		l, said := newLog(t, "file:"+name)
		must(t, syscall.Dup3(int(file.Fd()), 1, 0))
		running(t, l, func() { l.Write(lineOf("P")) })
		must(t, syscall.Dup3(saved, 1, 0))
		if text, err := os.ReadFile(file.Name()); string(text) != written {
			t.Errorf("%s: %q %v %s", name, text, err, said)
		}
	}
}
