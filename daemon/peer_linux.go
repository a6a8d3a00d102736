package daemon

import (
	"errors"
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// peerCredentials asks for SO_PEERCRED (unix(7)).
func peerCredentials(nc net.Conn) (credentials, error) {
	u, ok := nc.(*net.UnixConn)
	if !ok {
		return credentials{}, fmt.Errorf("%T is not a Unix connection", nc)
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return credentials{}, err
	}
	var cred *unix.Ucred
	var inner error
	err = raw.Control(func(fd uintptr) {
		cred, inner = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err := errors.Join(err, inner); err != nil {
		return credentials{}, fmt.Errorf("peer credentials: %w", err)
	}
	return credentials{uid: cred.Uid, gid: cred.Gid, pid: cred.Pid}, nil
}
