package client_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/protocol"
)

// answerKept is a daemon that grants everything and ends nothing.
func answerKept(nc net.Conn) {
	lines := protocol.NewLineReader(nc, protocol.MaxRequestLine)
	var r protocol.Request
	for {
		line, err := lines.ReadLine()
		if err != nil || protocol.ParseRequest(line, &r) != nil {
			return
		}
		var reply []byte
		switch protocol.Verb(r.Verb) {
		case protocol.WATCH:
			reply = protocol.AppendRevision([]byte("OK lease=1000"), protocol.Revision{})
		case protocol.SEEN:
			reply = []byte("OK lease=1000 rev=0")
		case protocol.QUIT:
			return
		default:
			if r.Tag != nil {
				reply = fmt.Appendf(nil, "@%s ", r.Tag)
			}
			reply = append(reply, keptReply...)
		}
		if _, err := nc.Write(append(reply, '\n')); err != nil {
			return
		}
	}
}

// keptReply has the size of a genuine reply.
var keptReply = strings.Replace(strings.Replace(benchReply, "exp=1764000000", "exp=4000000000", 1),
	" {", " rev=AAAAAAAAAAA.0 handles=AAAAAAAAAAA,AAAAAAAAAAE,AAAAAAAAAAI,AAAAAAAAAAM,AAAAAAAAAAQ {", 1)

// keeping returns a client that keeps the answers about these tokens already.
func keeping(tb testing.TB, tokens ...string) *client.Client {
	tb.Helper()
	c := &client.Client{Socket: listen(tb, answerKept), Timeout: testTimeout}
	tb.Cleanup(func() { _ = c.Close() })
	if !isAccepted(c.Verify(tb.Context(), "open.the.watch")) {
		tb.Fatal("not accepted")
	}
	for !c.Watching() {
		runtime.Gosched()
	}
	for _, token := range tokens {
		if !isAccepted(c.Verify(tb.Context(), token)) {
			tb.Fatal("not accepted")
		}
	}
	return c
}

// heapOfAProgram is the live heap of a program that serves requests, in bytes. In
// a test's own heap, which is nearly empty, the garbage collector would run some
// hundred times a second, and cost a third of the CPU time.
const heapOfAProgram = 32 << 20

// BenchmarkKept is a lookup that is answered from memory, beside the SHA-256 of
// its token: a busy machine makes both slow alike.
func BenchmarkKept(b *testing.B) {
	heap := make([]byte, heapOfAProgram)
	defer runtime.KeepAlive(heap)
	b.Run("lone", func(b *testing.B) {
		c := keeping(b, benchToken)
		b.ReportAllocs()
		start := cpu(b)
		for b.Loop() {
			if a, ok := c.Verify(context.Background(), benchToken).(client.Accepted); !ok || a.Source != client.SourceCache {
				b.Fatal("not from memory")
			}
		}
		b.ReportMetric(float64(cpu(b)-start)/float64(b.N), "cpu-ns/op")
	})
	for _, users := range []int{1, 500} {
		var tokens []string
		for n := range users {
			tokens = append(tokens, benchToken+strconv.Itoa(n))
		}
		b.Run(fmt.Sprintf("64 callers, %d tokens, sha256 alone", users), func(b *testing.B) {
			inTurn(b, tokens, func(token string) bool {
				var room [1024]byte
				return sha256.Sum256(append(room[:0], token...)) != [32]byte{}
			})
		})
		b.Run(fmt.Sprintf("64 callers, %d tokens", users), func(b *testing.B) {
			c := keeping(b, tokens...)
			inTurn(b, tokens, func(token string) bool { return isAccepted(c.Verify(context.Background(), token)) })
		})
	}
}

// inTurn has 64 callers ask about one token after another, each from another one on.
func inTurn(b *testing.B, tokens []string, ask func(token string) bool) {
	callers, start := 0, cpu(b)
	each(b, 64, func() func() {
		callers++
		next := callers
		return func() {
			next++
			if !ask(tokens[next%len(tokens)]) {
				b.Error("not accepted")
			}
		}
	})
	b.ReportMetric(float64(cpu(b)-start)/float64(b.N), "cpu-ns/op")
}

// cpu returns the CPU time that this process has used. On a busy machine it is
// more exact than the clock.
func cpu(tb testing.TB) time.Duration {
	tb.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// TestAKeptAnswerAllocatesLittle: it allocates only the answer and its JSON,
// which is the caller's.
func TestAKeptAnswerAllocatesLittle(t *testing.T) {
	c := keeping(t, benchToken)
	allocations := testing.AllocsPerRun(1000, func() {
		if !isAccepted(c.Verify(context.Background(), benchToken)) {
			t.Fatal("not accepted")
		}
	})
	if allocations > 2 {
		t.Errorf("%v allocations", allocations)
	}
}

// TestACallerThatHasGivenUpGetsNoKeptAnswer: a context that has ended wins, wherever the
// answer would come from.
func TestACallerThatHasGivenUpGetsNoKeptAnswer(t *testing.T) {
	c := keeping(t, benchToken)
	gone, leave := context.WithCancel(t.Context())
	leave()
	if u, ok := c.Verify(gone, benchToken).(client.Unknown); !ok || !errors.Is(u.Err, context.Canceled) {
		t.Errorf("got %v", u)
	}
}

// BenchmarkColdStart is the first lookup of a process, from the making of the
// client to the answer. The process is this test program; TestMain calls
// coldStart in it.
func BenchmarkColdStart(b *testing.B) {
	path := listen(b, answerKept)
	for _, keep := range []string{"0", "-1"} {
		b.Run("keep="+keep, func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				cmd := exec.Command(os.Args[0])
				cmd.Env = append(os.Environ(), "COLD_START="+path, "KEEP="+keep)
				out, err := cmd.Output()
				if err != nil {
					b.Fatal(err)
				}
				span, err := time.ParseDuration(string(bytes.TrimSpace(out)))
				if err != nil {
					b.Fatal(err)
				}
				took = append(took, span)
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2]), "p50-ns")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func coldStart(path string) {
	keep, _ := strconv.Atoi(os.Getenv("KEEP"))
	start := time.Now()
	c := &client.Client{Socket: path, Keep: keep}
	a := c.Verify(context.Background(), benchToken)
	took := time.Since(start)
	if !isAccepted(a) {
		fmt.Println(a)
		os.Exit(1)
	}
	fmt.Println(took)
}

func TestMain(m *testing.M) {
	if path := os.Getenv("COLD_START"); path != "" {
		coldStart(path)
		return
	}
	os.Exit(m.Run())
}
