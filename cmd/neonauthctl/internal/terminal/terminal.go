// Package terminal is where neonauthctl reads and writes, and how it writes for
// people: in columns, and without what a terminal might obey.
package terminal

import (
	"io"
	"os"
	"time"
)

// Terminal is where a call of the program reads and writes.
type Terminal struct {
	In       io.Reader
	Out, Err io.Writer
}

// IsTerminal tells whether a person sits at the other end of f.
func IsTerminal(f any) bool {
	file, ok := f.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && file.Name() != os.DevNull
}

// Short writes a duration with three digits or so.
func Short(d time.Duration) string {
	switch {
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(100 * time.Nanosecond).String()
}
