package daemon

import (
	"net"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/internal/sockets"
)

// sink is a connection whose peer takes everything at once.
type sink struct{ net.Conn }

func (sink) Write(p []byte) (int, error)      { return len(p), nil }
func (sink) SetWriteDeadline(time.Time) error { return nil }
func (sink) Close() error                     { return nil }

// BenchmarkHit is what a lookup that memory answers costs from its line to its
// reply, without the system calls. The parallel one has a connection per core.
func BenchmarkHit(b *testing.B) {
	w := newLiveDaemon(b, nil)
	line := []byte("VERIFY " + w.token())
	if reply := w.dial().ask("%s", line); head(reply) != "OK" {
		b.Fatal(reply)
	}
	open := func() *conn {
		c := w.daemon.server.register(sink{}, sockets.Credentials{UID: 1, GID: 1}, false)
		c.adopt(w.daemon.state.Load())
		return c
	}
	b.Run("one", func(b *testing.B) {
		c := open()
		defer w.daemon.server.unregister(c)
		b.ReportAllocs()
		for b.Loop() {
			c.handle(line)
			c.out.flush()
		}
	})
	b.Run("all", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(p *testing.PB) {
			c := open()
			defer w.daemon.server.unregister(c)
			for p.Next() {
				c.handle(line)
				c.out.flush()
			}
		})
	})
}
