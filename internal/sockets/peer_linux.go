package sockets

import (
	"errors"
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// PeerCredentials asks for SO_PEERCRED (unix(7)).
func PeerCredentials(nc net.Conn) (Credentials, error) {
	u, ok := nc.(*net.UnixConn)
	if !ok {
		return Credentials{}, fmt.Errorf("%T is not a Unix connection", nc)
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return Credentials{}, err
	}
	var cred *unix.Ucred
	var inner error
	err = raw.Control(func(fd uintptr) {
		cred, inner = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err := errors.Join(err, inner); err != nil {
		return Credentials{}, fmt.Errorf("peer credentials: %w", err)
	}
	return Credentials{UID: cred.Uid, GID: cred.Gid, PID: cred.Pid}, nil
}
