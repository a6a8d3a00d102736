package serve

import (
	"net"

	"golang.org/x/sys/unix"
)

// unread is how many bytes, with the kernel's own beside them, the peer has not
// read yet (SIOCOUTQ, unix(7)); 0 where that cannot be told.
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
