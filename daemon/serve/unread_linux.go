package serve

import (
	"net"

	"golang.org/x/sys/unix"
)

// unread returns how many bytes the peer has not read yet, including the
// kernel's own overhead (SIOCOUTQ, unix(7)). It returns 0 if this cannot be
// told.
func unread(nc net.Conn) (n int) {
	u, ok := nc.(*net.UnixConn)
	if !ok {
		return 0
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return 0
	}
	err = raw.Control(func(fd uintptr) {
		if left, err := unix.IoctlGetInt(int(fd), unix.SIOCOUTQ); err == nil {
			n = left
		}
	})
	if err != nil {
		return 0
	}
	return n
}
