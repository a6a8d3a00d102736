// Package terminal is the terminal of neonauthctl. It prints in columns for
// people, without characters that a terminal might obey.
package terminal

import (
	"io"
	"os"
	"time"
)

// Terminal holds the streams of a run of the program.
type Terminal struct {
	In       io.Reader
	Out, Err io.Writer
}

// IsTerminal reports whether f is a terminal.
func IsTerminal(f any) bool {
	file, ok := f.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull) // standard input has another name
	return err != nil || !os.SameFile(info, null)
}

// Short formats a duration with about three digits.
func Short(d time.Duration) string {
	switch {
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(100 * time.Nanosecond).String()
}
