package top

import "golang.org/x/sys/unix"

// How Linux names a terminal's settings (ioctl_tty(2)), and the character that
// is none (termios(3)).
const (
	getTermios  = unix.TCGETS
	setTermios  = unix.TCSETS
	noCharacter = 0
)
