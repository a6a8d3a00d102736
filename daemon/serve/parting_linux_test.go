package serve

import (
	"net"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/internal/sockets"
)

// TestOnlyAShareOfTheConnectionsHasALargeSendBuffer: the last connection of a
// caller that gets one, and the next, whose peer cannot make the kernel keep
// much.
func TestOnlyAShareOfTheConnectionsHasALargeSendBuffer(t *testing.T) {
	k := newHarness(t, nil)
	s := k.server
	var all []*conn
	for i := range fair.SendBuffers().Each + 1 {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fds[1])
		nc := fileConn(t, fds[0])
		defer nc.Close()
		c := s.register(nc, sockets.Credentials{UID: 1}, false)
		all = append(all, c)
		s.makeRoom(c)
		kept := 0
		for piece := make([]byte, 1<<10); ; kept += len(piece) {
			if n, err := writeNow(nc, piece); err != nil {
				t.Fatal(err)
			} else if n == 0 {
				break
			}
		}
		if narrow := kept <= 2*narrowSendBuffer; narrow != (i == fair.SendBuffers().Each) {
			t.Fatalf("connection %d: the kernel keeps %d bytes", i, kept)
		}
		if left := unread(nc); left < kept {
			t.Fatalf("connection %d: %d bytes of %d are unread", i, left, kept)
		}
	}
	s.unregister(all[0])
	if n := s.roomy.Taken(); n != fair.SendBuffers().Each-1 {
		t.Errorf("%d are taken after one was given back", n)
	}
}

// fileConn makes a connection from a file descriptor.
func fileConn(t *testing.T, fd int) *net.UnixConn {
	t.Helper()
	f := os.NewFile(uintptr(fd), "")
	defer f.Close()
	nc, err := net.FileConn(f)
	if err != nil {
		t.Fatal(err)
	}
	return nc.(*net.UnixConn)
}

// writeNow writes as much as the kernel takes at once, which may be 0 bytes.
func writeNow(u *net.UnixConn, b []byte) (n int, err error) {
	raw, err := u.SyscallConn()
	if err != nil {
		return 0, err
	}
	outer := raw.Control(func(fd uintptr) {
		if n, err = unix.Write(int(fd), b); err == unix.EAGAIN {
			n, err = 0, nil
		}
	})
	if outer != nil {
		return 0, outer
	}
	return max(n, 0), err
}
