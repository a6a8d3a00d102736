// Package ports gives tests ports of the loopback address that nobody else takes. A
// port that is taken by listening and given back is anybody's until the program that it
// is for listens there: the program fails then or, as two Caddys do, shares the port
// without a word, and answers what the other was asked.
package ports

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
)

// The ports that are given. They lie below those that systems choose from by
// themselves, and so do the ports 10000 above them, which a node of a Redis cluster
// takes beside its own.
const (
	first = 11000
	count = 10000
)

// Free returns a port of 127.0.0.1 at which nobody listens. It is this test's until the
// test ends: no other caller of Free gets it, in whatever process, also while a server
// that had it is down.
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

// claim makes the port t's, unless it is somebody's already. The claim is a socket of
// Linux that is in no folder, which ends with its process.
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
