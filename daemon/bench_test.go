package daemon

import (
	"fmt"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin"
)

// BenchmarkSocket measures lookups over a socket, one after the other. For
// comparison it measures a process that sends as many bytes without reading
// them.
func BenchmarkSocket(b *testing.B) {
	w := newLiveDaemon(b, nil)
	w.upstream.SetProfile(w.user.ID, "client_metadata", map[string]string{"pad": string(make([]byte, 0)) + fmt.Sprintf("%0300d", 0)})
	for _, c := range []struct{ name, ask string }{
		{"ping", "PING"},
		{"claims", "VERIFY " + w.upstream.StackToken(standin.TokenSpec{Subject: w.user.ID, Size: 850})},
		{"profile", "PROFILE " + w.token()},
	} {
		k := w.dial()
		if err := k.Conn.SetDeadline(time.Time{}); err != nil {
			b.Fatal(err)
		}
		size := len(k.Ask("%s", c.ask))
		line := c.ask + "\n"
		b.Run(fmt.Sprintf("%s of %d bytes", c.name, size), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				k.Send(line)
				k.discard()
			}
		})
		b.Run(fmt.Sprintf("echo for %s", c.name), func(b *testing.B) {
			echo := echoing(b, w.dir, len(line), size+1)
			for b.Loop() {
				echo.Send(line)
				echo.discard()
			}
		})
	}
}

// discard reads one line without making a string.
func (k *talk) discard() {
	for {
		_, more, err := k.In.ReadLine()
		if err != nil {
			k.T.Fatal(err)
		}
		if !more {
			return
		}
	}
}

// echoing serves one connection: it reads as many bytes as request says, sends
// a fixed reply, and repeats this.
func echoing(b *testing.B, dir string, request, reply int) *talk {
	b.Helper()
	path := filepath.Join(dir, fmt.Sprintf("echo-%d-%d", request, time.Now().UnixNano()%1e6))
	ln, err := net.Listen("unix", path)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = ln.Close() })
	go func() {
		nc, err := ln.Accept()
		if err != nil {
			return
		}
		defer nc.Close()
		in, out := make([]byte, 64<<10), make([]byte, reply)
		for i := range out {
			out[i] = 'x'
		}
		out[reply-1] = '\n'
		for got := 0; ; {
			n, err := nc.Read(in)
			if err != nil {
				return
			}
			if got += n; got < request {
				continue
			}
			got -= request
			if _, err := nc.Write(out); err != nil {
				return
			}
		}
	}()
	k := dial(b, path)
	if err := k.Conn.SetDeadline(time.Time{}); err != nil {
		b.Fatal(err)
	}
	return k
}

// BenchmarkLargeProfile measures a hit on a profile with an image in it, and
// how much it counts for in the cache beyond its bytes.
func BenchmarkLargeProfile(b *testing.B) {
	const size = 300_000
	w := newLiveDaemon(b, nil)
	w.upstream.Inject(standin.Me, standin.Fault{Kind: standin.PadProfile, Size: size})
	k := w.dial()
	if err := k.Conn.SetDeadline(time.Time{}); err != nil {
		b.Fatal(err)
	}
	line := "PROFILE " + w.token() + "\n"
	before := w.daemon.resolver.State().Memory.Bytes
	reply := k.Ask("%s", line[:len(line)-1])
	if head(reply) != "OK" || len(reply) < size*9/10 {
		b.Fatalf("%.80s", reply)
	}
	grown := w.daemon.resolver.State().Memory.Bytes - before
	b.SetBytes(int64(len(reply)))
	b.ReportAllocs()
	for b.Loop() {
		k.Send(line)
		k.discard()
	}
	b.ReportMetric(float64(grown-int64(len(reply))), "bytes-beside-it")
}
