package sockets

import (
	"errors"
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// PeerCredentials asks for LOCAL_PEERCRED (unix(4)), whose group is the primary
// one. It returns no process id. None is needed, because there are no user
// namespaces.
func PeerCredentials(nc net.Conn) (Credentials, error) {
	u, ok := nc.(*net.UnixConn)
	if !ok {
		return Credentials{}, fmt.Errorf("%T is not a Unix connection", nc)
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return Credentials{}, err
	}
	var cred *unix.Xucred
	var inner error
	err = raw.Control(func(fd uintptr) {
		cred, inner = unix.GetsockoptXucred(int(fd), unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
	})
	if err := errors.Join(err, inner); err != nil {
		return Credentials{}, fmt.Errorf("peer credentials: %w", err)
	}
	if cred.Ngroups < 1 {
		return Credentials{}, errors.New("peer credentials: no group")
	}
	return Credentials{UID: cred.Uid, GID: cred.Groups[0]}, nil
}
