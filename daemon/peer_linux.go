package daemon

import (
	"errors"
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// peerCredentials returns the user and group of the process that connected, as
// they were then (SO_PEERCRED, unix(7)). Its process id is not used: it may be
// another process's by now.
func peerCredentials(nc net.Conn) (uid, gid uint32, err error) {
	u, ok := nc.(*net.UnixConn)
	if !ok {
		return 0, 0, fmt.Errorf("%T is not a Unix connection", nc)
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return 0, 0, err
	}
	var cred *unix.Ucred
	var inner error
	err = raw.Control(func(fd uintptr) {
		cred, inner = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err := errors.Join(err, inner); err != nil {
		return 0, 0, fmt.Errorf("peer credentials: %w", err)
	}
	return cred.Uid, cred.Gid, nil
}
