package daemon

import (
	"crypto/sha256"
	"fmt"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/protocol"
)

// hitToken is a token of the size that Stack Auth's have, remembered.
func hitToken(b *testing.B, k *idleDaemon) []byte {
	b.Helper()
	token := k.upstream.StackToken(standin.TokenSpec{Subject: "ada", Size: 850})
	if v := k.ask(k.project("stack"), token); v.Status() != protocol.OK {
		b.Fatal("not accepted")
	}
	b.SetBytes(int64(len(token)))
	return []byte(token)
}

// BenchmarkRecall is a hit without its line and reply, beside the digest that
// is the least it can cost, in one run.
func BenchmarkRecall(b *testing.B) {
	k := newIdleDaemon(b, func(c *config.Config) { c.Cache.MaxBytes = 64 << 20 })
	k.daemon.resolver.now = time.Now
	token := hitToken(b, k)
	l := &lookup{project: k.project("stack"), token: token, level: LevelClaims, maxAge: -1}
	b.Run("sha256", func(b *testing.B) {
		var sum [32]byte
		b.ReportAllocs()
		for b.Loop() {
			sum = sha256.Sum256(token)
		}
		_ = sum
	})
	recall := func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if v, ok := k.daemon.resolver.recall(l); !ok || v.Status() != protocol.OK {
				b.Fatal("not a hit")
			}
		}
	}
	b.Run("recall", recall)
	k.revoke("session", "somebody else's", true)
	k.revoke("subject", "somebody else", true)
	k.revoke("key", "another", true)
	k.revoke("token", "another", true)
	b.Run("recall with revocations", recall)
}

// BenchmarkMiss is a verification with all that is around it.
func BenchmarkMiss(b *testing.B) {
	k := newIdleDaemon(b, nil)
	token := hitToken(b, k)
	l := &lookup{project: k.project("stack"), token: token, level: LevelClaims, maxAge: -1}
	b.ReportAllocs()
	for b.Loop() {
		k.daemon.floors.raise(digestOf(token))
		if v, recalled := k.askFully(l); recalled || v.Status() != protocol.OK {
			b.Fatal("not a miss")
		}
	}
}

// BenchmarkReply is the writing of an accepted verdict's line.
func BenchmarkReply(b *testing.B) {
	k := newIdleDaemon(b, nil)
	v := k.ask(k.project("stack"), string(hitToken(b, k)))
	buffer := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		buffer = appendVerdict(buffer[:0], nil, &v)
	}
}

// BenchmarkSocket is a lookup over a socket, one after the other, beside a
// process that echoes as many bytes without looking at them.
func BenchmarkSocket(b *testing.B) {
	w := newLiveDaemon(b, nil)
	w.upstream.SetProfile(w.user.ID, "client_metadata", map[string]string{"pad": string(make([]byte, 0)) + fmt.Sprintf("%0300d", 0)})
	for _, c := range []struct{ name, ask string }{
		{"ping", "PING"},
		{"claims", "VERIFY " + w.upstream.StackToken(standin.TokenSpec{Subject: w.user.ID, Size: 850})},
		{"profile", "PROFILE " + w.token()},
	} {
		k := w.dial()
		if err := k.nc.SetDeadline(time.Time{}); err != nil {
			b.Fatal(err)
		}
		size := len(k.ask("%s", c.ask))
		line := c.ask + "\n"
		b.Run(fmt.Sprintf("%s of %d bytes", c.name, size), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				k.send(line)
				k.discard()
			}
		})
		b.Run(fmt.Sprintf("echo for %s", c.name), func(b *testing.B) {
			echo := echoing(b, w.dir, len(line), size+1)
			for b.Loop() {
				echo.send(line)
				echo.discard()
			}
		})
	}
}

// discard reads one line without making a string of it.
func (k *talk) discard() {
	for {
		_, more, err := k.r.ReadLine()
		if err != nil {
			k.t.Fatal(err)
		}
		if !more {
			return
		}
	}
}

// echoing serves one connection with a fixed reply to each so many bytes.
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
	if err := k.nc.SetDeadline(time.Time{}); err != nil {
		b.Fatal(err)
	}
	return k
}

// BenchmarkLargeProfile is a hit on a profile with an image in it, and what it
// counts for in the cache beyond its bytes.
func BenchmarkLargeProfile(b *testing.B) {
	const size = 300_000
	for _, withhold := range [][]string{nil, {"server_metadata"}} {
		b.Run(fmt.Sprintf("withheld %d", len(withhold)), func(b *testing.B) {
			w := newLiveDaemon(b, nil)
			w.upstream.Inject(standin.Me, standin.Fault{Kind: standin.PadProfile, Size: size})
			k := w.dial()
			if err := k.nc.SetDeadline(time.Time{}); err != nil {
				b.Fatal(err)
			}
			line := "PROFILE " + w.token() + "\n"
			before := w.daemon.memory.Stats().Bytes
			reply := k.ask("%s", line[:len(line)-1])
			if head(reply) != "OK" || len(reply) < size*9/10 {
				b.Fatalf("%.80s", reply)
			}
			grown := w.daemon.memory.Stats().Bytes - before
			rules, err := newCallers([]config.Caller{{UID: id(1), Withhold: withhold}})
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(reply)))
			b.ReportAllocs()
			if withhold == nil {
				for b.Loop() {
					k.send(line)
					k.discard()
				}
			} else {
				a, body := rules.access(1, 1), []byte(reply[len(reply)-size/2:])
				body = append([]byte(`{"image":"`), append(body[:len(body)-2], `","x":1}`...)...)
				for b.Loop() {
					held, _ := a.redact(&Verdict{Level: LevelProfile, Body: body}, fair.ID{}, w.daemon.server.bodies)
					held.Release()
				}
			}
			b.ReportMetric(float64(grown-int64(len(reply))), "bytes-beside-it")
		})
	}
}
