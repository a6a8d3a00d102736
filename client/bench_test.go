package client_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/protocol"
)

// benchToken and benchReply have the sizes of a genuine token and of the reply
// to it.
var (
	benchToken = "eyJ" + strings.Repeat("a", 297) + "." + strings.Repeat("b", 460) + "." + strings.Repeat("c", 86)
	benchReply = `OK level=claims project=main sub=9f1c1f7e-2f0e-4c0a-a0ab-0d9a6f4a2f11 age=3 ttl=57 exp=4102444800 source=cache ` +
		`{"sub":"9f1c1f7e-2f0e-4c0a-a0ab-0d9a6f4a2f11","pad":"` + strings.Repeat("p", 500) + `"}`
)

// answerLines is a daemon that does the least possible work: each line gets the
// same reply with the line's tag, and lines that arrived together are answered
// in one write.
func answerLines(nc net.Conn) {
	in := bufio.NewReaderSize(nc, 64<<10)
	var out []byte
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return
		}
		if line[0] == '@' {
			out = append(out, line[:bytes.IndexByte(line, ' ')+1]...)
		}
		out = append(out, benchReply...)
		out = append(out, '\n')
		if in.Buffered() > 0 {
			continue
		}
		if _, err := nc.Write(out); err != nil {
			return
		}
		out = out[:0]
	}
}

func listenBare(b testing.TB) string {
	b.Helper()
	return listen(b, answerLines)
}

// listen serves every connection to the socket that it returns.
func listen(b testing.TB, serve func(net.Conn)) string {
	b.Helper()
	dir, err := os.MkdirTemp("", "na") // t.TempDir would be too long for a socket
	if err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(dir, "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = l.Close(); _ = os.RemoveAll(dir) })
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			go serve(nc)
		}
	}()
	return path
}

// bareAsk is one blocking question on a connection of its own.
func bareAsk(b testing.TB, nc net.Conn, in *bufio.Reader, request []byte) {
	if _, err := nc.Write(request); err != nil {
		b.Fatal(err)
	}
	if _, err := in.ReadSlice('\n'); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkLoneCaller compares one caller of a Client with a bare blocking echo
// of the same sizes, by turns in one run; "p50-ratio" is what the client adds.
func BenchmarkLoneCaller(b *testing.B) {
	path := listenBare(b)
	c := &client.Client{Socket: path, Keep: -1}
	defer c.Close()
	nc, err := net.Dial("unix", path)
	if err != nil {
		b.Fatal(err)
	}
	defer nc.Close()
	in := bufio.NewReaderSize(nc, 64<<10)
	request := []byte("VERIFY deadline=950 " + benchToken + "\n")
	ctx := context.Background()
	client50, bare50 := make([]time.Duration, 0, b.N), make([]time.Duration, 0, b.N)
	for b.Loop() {
		start := time.Now()
		bareAsk(b, nc, in, request)
		middle := time.Now()
		if _, ok := c.Verify(ctx, benchToken).(client.Accepted); !ok {
			b.Fatal("not accepted")
		}
		client50 = append(client50, time.Since(middle))
		bare50 = append(bare50, middle.Sub(start))
	}
	slices.Sort(client50)
	slices.Sort(bare50)
	p50, bare := client50[len(client50)/2], bare50[len(bare50)/2]
	b.ReportMetric(float64(p50), "p50-ns")
	b.ReportMetric(float64(bare), "bare-p50-ns")
	b.ReportMetric(float64(p50)/float64(bare), "p50-ratio")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkConcurrentCallers lets 64 goroutines ask through one Client. For
// comparison, each also asks by bare writes and reads on a connection of its
// own.
func BenchmarkConcurrentCallers(b *testing.B) {
	const callers = 64
	for _, conns := range []int{1, 4, client.DefaultConns} {
		b.Run(fmt.Sprintf("client,conns=%d", conns), func(b *testing.B) {
			c := &client.Client{Socket: listenBare(b), Conns: conns, Keep: -1}
			defer c.Close()
			each(b, callers, func() func() {
				return func() {
					if _, ok := c.Verify(context.Background(), benchToken).(client.Accepted); !ok {
						b.Error("not accepted")
					}
				}
			})
		})
	}
	b.Run("bare", func(b *testing.B) {
		path := listenBare(b)
		request := []byte("VERIFY deadline=950 " + benchToken + "\n")
		each(b, callers, func() func() {
			nc, err := net.Dial("unix", path)
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { _ = nc.Close() })
			in := bufio.NewReaderSize(nc, 64<<10)
			return func() {
				bareAsk(b, nc, in, request)
				var r protocol.Reply
				_ = protocol.ParseReply([]byte(benchReply), &r)
			}
		})
	})
}

// each runs b.N questions on the given number of goroutines.
func each(b *testing.B, callers int, ready func() func()) {
	b.ReportAllocs()
	asks := make([]func(), callers)
	for i := range asks {
		asks[i] = ready()
	}
	b.ResetTimer()
	var wg sync.WaitGroup
	for i, ask := range asks {
		n := b.N / callers
		if i < b.N%callers {
			n++
		}
		wg.Go(func() {
			for range n {
				ask()
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "asks/s")
}

// instantConn answers each write at once, without a system call.
type instantConn struct {
	net.Conn
	reply []byte
	read  int
}

func (c *instantConn) Write(p []byte) (int, error) {
	c.reply = append(append(c.reply[:0], p[:bytes.IndexByte(p, ' ')+1]...), benchReply...)
	c.reply, c.read = append(c.reply, '\n'), 0
	return len(p), nil
}

func (c *instantConn) Read(p []byte) (int, error) {
	n := copy(p, c.reply[c.read:])
	c.read += n
	return n, nil
}

func (c *instantConn) Close() error                { return nil }
func (c *instantConn) SetDeadline(time.Time) error { return nil }

// BenchmarkOwnCost is a lone caller's question without the kernel's part.
func BenchmarkOwnCost(b *testing.B) {
	b.ReportAllocs()
	c := &client.Client{Keep: -1, Dial: func(context.Context) (net.Conn, error) { return &instantConn{}, nil }}
	defer c.Close()
	for b.Loop() {
		if _, ok := c.Verify(context.Background(), benchToken).(client.Accepted); !ok {
			b.Fatal("not accepted")
		}
	}
}
