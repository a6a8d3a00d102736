package client_test

import (
	"bufio"
	"context"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/protocol"
)

// daemonForBench starts the real daemon. It returns its socket, and a token
// about which the daemon holds a verdict.
func daemonForBench(b *testing.B) (socket, token string) {
	b.Helper()
	s := newSystem(b, buildDaemon(b))
	for _, line := range []string{"reset", "mint ada"} {
		if _, err := s.do(line); err != nil {
			b.Fatal(err)
		}
	}
	c := &client.Client{Socket: s.path("s")}
	defer c.Close()
	if _, ok := c.Verify(b.Context(), s.people["ada"].token).(client.Accepted); !ok {
		b.Fatal("not accepted")
	}
	return s.path("s"), s.people["ada"].token
}

// bareConn asks one question at a time on a connection of its own: a write and
// a read. It does not look at the reply.
type bareConn struct {
	net.Conn
	in      *bufio.Reader
	request []byte
}

func dialBare(b *testing.B, socket, request string) *bareConn {
	b.Helper()
	nc, err := net.Dial("unix", socket)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = nc.Close() })
	return &bareConn{nc, bufio.NewReaderSize(nc, 64<<10), []byte(request)}
}

func (c *bareConn) ask(b *testing.B) []byte {
	if _, err := c.Write(c.request); err != nil {
		b.Fatal(err)
	}
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		b.Fatal(err)
	}
	return line
}

// BenchmarkDaemonLoneCaller: one caller asks the real daemon about a token that
// the daemon knows, through a Client and by bare writes and reads, by turns in
// one run. "over-bare" is what the client adds to a lookup.
func BenchmarkDaemonLoneCaller(b *testing.B) {
	socket, token := daemonForBench(b)
	bare := dialBare(b, socket, "VERIFY deadline=950 "+token+"\n")
	c := &client.Client{Socket: socket, Keep: -1}
	defer c.Close()
	ctx := context.Background()
	ways := [2]func(){
		func() { bare.ask(b) },
		func() {
			if _, ok := c.Verify(ctx, token).(client.Accepted); !ok {
				b.Fatal("not accepted")
			}
		},
	}
	var took [2][]time.Duration
	for b.Loop() {
		for way, ask := range ways {
			ask() // the first call after a change of connection pays for the change
			for range 20 {
				start := time.Now()
				ask()
				took[way] = append(took[way], time.Since(start))
			}
		}
	}
	ofBare, ofClient := median(took[0]), median(took[1])
	b.ReportMetric(ofClient, "p50-ns")
	b.ReportMetric(ofBare, "bare-p50-ns")
	b.ReportMetric(ofClient/ofBare, "over-bare")
	b.ReportMetric(0, "ns/op")
}

func median(spans []time.Duration) float64 {
	slices.Sort(spans)
	return float64(spans[len(spans)/2])
}

// BenchmarkDaemonConcurrentCallers: 64 goroutines ask the real daemon about a
// token that the daemon knows, through one Client and, by turns in one run, in
// these other ways:
//
//   - apart: each through a Client of its own, with its one connection;
//   - bare: each by writes and reads on its connection, and a parser;
//   - shared: the same on as many connections as the one Client has;
//   - fresh: the same on a new connection for each request.
//
// "over-apart" and so on say how many times as many lookups a second the one
// Client makes.
func BenchmarkDaemonConcurrentCallers(b *testing.B) {
	const callers, round = 64, 64 * 100
	socket, token := daemonForBench(b)
	request := "VERIFY deadline=950 " + token + "\n"
	verify := func(c *client.Client) {
		if _, ok := c.Verify(context.Background(), token).(client.Accepted); !ok {
			b.Error("not accepted")
		}
	}
	parse := func(line []byte) {
		var r protocol.Reply
		if protocol.ParseReply(line[:len(line)-1], &r) != nil || r.Status != protocol.OK {
			b.Error("not accepted")
		}
	}
	together := &client.Client{Socket: socket, Keep: -1}
	defer together.Close()
	var apart [callers]client.Client
	var bare [callers]*bareConn
	for n := range callers {
		apart[n].Socket, apart[n].Keep = socket, -1
		defer apart[n].Close()
		bare[n] = dialBare(b, socket, request)
	}
	shared := make(chan *bareConn, client.DefaultConns)
	for n := range cap(shared) {
		shared <- bare[n]
	}
	ways := []struct {
		name string
		ask  func(n int)
	}{
		{"together", func(int) { verify(together) }},
		{"over-apart", func(n int) { verify(&apart[n]) }},
		{"over-bare", func(n int) { parse(bare[n].ask(b)) }},
		{"over-shared", func(int) {
			c := <-shared
			parse(c.ask(b))
			shared <- c
		}},
		{"over-fresh", func(int) {
			c := dialBare(b, socket, request)
			parse(c.ask(b))
			_ = c.Close()
		}},
	}
	took := make([]time.Duration, len(ways))
	for b.Loop() {
		for way, w := range ways {
			start := time.Now()
			askTogether(callers, round, w.ask)
			took[way] += time.Since(start)
		}
	}
	b.ReportMetric(float64(b.N)*round/took[0].Seconds(), "lookups/s")
	for way, w := range ways[1:] {
		b.ReportMetric(took[way+1].Seconds()/took[0].Seconds(), w.name)
	}
	b.ReportMetric(0, "ns/op")
}

// askTogether lets the callers together ask this many questions.
func askTogether(callers, questions int, ask func(caller int)) {
	var wg sync.WaitGroup
	for n := range callers {
		wg.Go(func() {
			for range questions / callers {
				ask(n)
			}
		})
	}
	wg.Wait()
}
