package e2e

import (
	"io"
	"net"
	"sync"
	"testing"
)

// Cable forwards connections to a server, and can be cut. It listens on
// loopback.
type Cable struct {
	ln          net.Listener
	network, to string

	mu    sync.Mutex
	cut   bool
	ends  map[net.Conn]struct{}
	going sync.WaitGroup
}

// NewCable starts a Cable to an address. It lasts until the end of the test.
func NewCable(t testing.TB, network, to string) *Cable {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &Cable{ln: ln, network: network, to: to, ends: map[net.Conn]struct{}{}}
	c.going.Go(c.run)
	t.Cleanup(func() { _ = ln.Close(); c.Cut(); c.going.Wait() })
	return c
}

// Address returns the address on which the cable listens.
func (c *Cable) Address() string { return c.ln.Addr().String() }

// Cut closes the connections through the cable, and refuses new ones until
// Mend.
func (c *Cable) Cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = true
	for end := range c.ends {
		_ = end.Close()
	}
	clear(c.ends)
}

// Mend lets connections through again.
func (c *Cable) Mend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = false
}

func (c *Cable) run() {
	for {
		near, err := c.ln.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial(c.network, c.to)
		if err != nil {
			_ = near.Close()
			continue
		}
		if !c.keep(near, far) {
			_, _ = near.Close(), far.Close()
			continue
		}
		c.going.Go(func() { c.carry(near, far) })
		c.going.Go(func() { c.carry(far, near) })
	}
}

// keep remembers both ends of a connection, unless the cable is cut.
func (c *Cable) keep(near, far net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cut {
		return false
	}
	c.ends[near], c.ends[far] = struct{}{}, struct{}{}
	return true
}

func (c *Cable) carry(from, to net.Conn) {
	_, _ = io.Copy(to, from)
	_, _ = from.Close(), to.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.ends, from)
	delete(c.ends, to)
}
