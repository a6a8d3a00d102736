package serve

import (
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/daemon/resolve"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/sockets"
	"github.com/neonauthd/neonauthd/protocol"
)

// sink is a connection whose peer takes everything at once.
type sink struct{ net.Conn }

func (sink) Write(p []byte) (int, error)      { return len(p), nil }
func (sink) SetWriteDeadline(time.Time) error { return nil }
func (sink) Close() error                     { return nil }

// BenchmarkHit measures a lookup that memory answers, from its line to its
// reply, without the system calls. The parallel benchmark has one connection
// per core.
func BenchmarkHit(b *testing.B) {
	k := newHarness(b, nil)
	token := k.token("ada")
	if v := k.ask(k.claims(token)); v.Status() != protocol.OK {
		b.Fatal(v.Outcome)
	}
	line := []byte("VERIFY " + token)
	open := func() *conn {
		c := k.server.register(sink{}, sockets.Credentials{UID: 1, GID: 1}, false)
		c.adopt(k.terms)
		return c
	}
	b.Run("one", func(b *testing.B) {
		c := open()
		defer k.server.unregister(c)
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
			defer k.server.unregister(c)
			for p.Next() {
				c.handle(line)
				c.out.flush()
			}
		})
	})
}

// BenchmarkReply measures the writing of an accepted verdict's line.
func BenchmarkReply(b *testing.B) {
	k := newHarness(b, nil)
	token := k.upstream.StackToken(standin.TokenSpec{Subject: "ada", Size: 850}) // as large as Stack Auth's tokens
	v := k.ask(k.claims(token))
	if v.Status() != protocol.OK {
		b.Fatal(v.Outcome)
	}
	b.SetBytes(int64(len(token)))
	buffer := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		buffer = appendVerdict(buffer[:0], nil, &v, nil)
	}
}

// BenchmarkRedact takes a member out of a profile with an image in it.
func BenchmarkRedact(b *testing.B) {
	rules, err := NewCallers([]config.Caller{{UID: id(1), Withhold: []string{"server_metadata"}}})
	if err != nil {
		b.Fatal(err)
	}
	a, bodies := rules.permission(1, 1), fair.NewBodies(fair.UnsentBodies())
	body := fmt.Appendf(nil, `{"image":"%0300000d","server_metadata":{"a":1}}`, 0)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		held, _ := a.redact(&resolve.Verdict{Level: resolve.LevelProfile, Body: body}, fair.ID{}, bodies)
		held.Release()
	}
}
