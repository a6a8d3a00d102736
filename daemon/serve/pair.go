package serve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// Pair returns the far end of a connection that is served as if it had been accepted on
// the ordinary socket.
func (s *Server) Pair(ctx context.Context) (net.Conn, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return nil, fmt.Errorf("socketpair: %w", err)
	}
	var ends [2]net.Conn
	for i, fd := range fds {
		unix.CloseOnExec(fd)
		f := os.NewFile(uintptr(fd), "self")
		end, inner := net.FileConn(f)
		ends[i], err = end, errors.Join(err, inner, f.Close())
	}
	if err != nil {
		for _, end := range ends {
			if end != nil {
				_ = end.Close()
			}
		}
		return nil, fmt.Errorf("socketpair: %w", err)
	}
	s.open(ctx, ends[0], false)
	return ends[1], nil
}
