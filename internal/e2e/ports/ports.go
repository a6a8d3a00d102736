// Package ports gives tests ports of the loopback address that no other test
// takes. If a test found a free port by listening and closing, another program
// could take the port before the intended one listens. The intended program
// would then fail or, as two Caddys do, share the port silently and answer the
// other's requests.
package ports

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
)

// The ports that are given. They are below the ports that systems choose by
// themselves. So are the ports 10000 above them, which a node of a Redis
// cluster takes in addition.
const (
	first = 11000
	count = 10000
)

// Free returns a port of 127.0.0.1 that is not in use. It belongs to this test
// until the test ends: no other caller of Free gets it, in any process, not
// even while a server on it is down.
func Free(t testing.TB) string {
	t.Helper()
	for range count {
		port := strconv.Itoa(first + rand.IntN(count))
		if claim(t, port) {
			return port
		}
	}
	t.Fatalf("none of the ports from %d to %d is free", first, first+count-1)
	return ""
}

// Address returns 127.0.0.1 and a port as Free returns it.
func Address(t testing.TB) string {
	t.Helper()
	return net.JoinHostPort("127.0.0.1", Free(t))
}

// claim reserves the port for t, and reports whether it was free. The
// reservation is an abstract Unix socket of Linux, which ends with its process.
func claim(t testing.TB, port string) bool {
	mark, err := net.Listen("unix", fmt.Sprintf("@neonauthd-test-port-%s", port))
	if err != nil {
		return false
	}
	ln, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		_ = mark.Close()
		return false
	}
	_ = ln.Close()
	t.Cleanup(func() { _ = mark.Close() })
	return true
}
