package daemon

import (
	"errors"
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// peerCredentials asks for LOCAL_PEERCRED (unix(4)), whose group is the primary
// one. It names no process, and none is needed: there are no user namespaces.
func peerCredentials(nc net.Conn) (credentials, error) {
	u, ok := nc.(*net.UnixConn)
	if !ok {
		return credentials{}, fmt.Errorf("%T is not a Unix connection", nc)
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return credentials{}, err
	}
	var cred *unix.Xucred
	var inner error
	err = raw.Control(func(fd uintptr) {
		cred, inner = unix.GetsockoptXucred(int(fd), unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
	})
	if err := errors.Join(err, inner); err != nil {
		return credentials{}, fmt.Errorf("peer credentials: %w", err)
	}
	if cred.Ngroups < 1 {
		return credentials{}, errors.New("peer credentials: no group")
	}
	return credentials{uid: cred.Uid, gid: cred.Groups[0]}, nil
}
