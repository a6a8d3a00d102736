package daemon

import (
	"errors"
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// peerCredentials returns the user and primary group of the process that
// connected (LOCAL_PEERCRED, unix(4)).
func peerCredentials(nc net.Conn) (uid, gid uint32, err error) {
	u, ok := nc.(*net.UnixConn)
	if !ok {
		return 0, 0, fmt.Errorf("%T is not a Unix connection", nc)
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return 0, 0, err
	}
	var cred *unix.Xucred
	var inner error
	err = raw.Control(func(fd uintptr) {
		cred, inner = unix.GetsockoptXucred(int(fd), unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
	})
	if err := errors.Join(err, inner); err != nil {
		return 0, 0, fmt.Errorf("peer credentials: %w", err)
	}
	if cred.Ngroups < 1 {
		return 0, 0, errors.New("peer credentials: no group")
	}
	return cred.Uid, cred.Groups[0], nil
}
