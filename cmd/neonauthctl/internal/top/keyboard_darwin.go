package top

import "golang.org/x/sys/unix"

// How macOS names a terminal's settings (tty(4)), and the character that is
// none (termios(4)).
const (
	getTermios  = unix.TIOCGETA
	setTermios  = unix.TIOCSETA
	noCharacter = 0xff
)
