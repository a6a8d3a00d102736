package lease

import (
	"fmt"
	"net"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/protocol"
)

// pair returns the two ends of a Unix socket.
func pair(b *testing.B) (near, far net.Conn) {
	b.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		b.Fatal(err)
	}
	ends := [2]net.Conn{}
	for i, fd := range fds {
		file := os.NewFile(uintptr(fd), "socket")
		if ends[i], err = net.FileConn(file); err != nil {
			b.Fatal(err)
		}
		file.Close()
	}
	return ends[0], ends[1]
}

// BenchmarkSettled tells that many clients, which are alive and in this
// process, to forget one thing, and waits until they have.
func BenchmarkSettled(b *testing.B) {
	for _, clients := range []int{0, 1, 200} {
		b.Run(fmt.Sprintf("watches=%d", clients), func(b *testing.B) {
			s := New(Options{})
			for range clients {
				w, ok := s.Open(owner(1), nil)
				if !ok {
					b.Fatal("no watch")
				}
				near, far := pair(b)
				go func() { _ = w.Serve(served{far, protocol.NewLineReader(far, protocol.MaxRequestLine)}) }()
				go obey(near)
				b.Cleanup(func() { near.Close() })
			}
			took := make([]time.Duration, 0, b.N)
			for b.Loop() {
				began := time.Now()
				s.Forget(1)
				_ = s.Settled(b.Context())
				took = append(took, time.Since(began))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-us")
		})
	}
}

// obey confirms each line that tells to forget.
func obey(c net.Conn) {
	lines := protocol.NewLineReader(c, protocol.MaxWatchLine)
	for line, err := lines.ReadLine(); err == nil; line, err = lines.ReadLine() {
		var r protocol.Reply
		_ = protocol.ParseReply(line, &r)
		if rev, _ := r.Fields.Get(protocol.FieldRev); r.Fields.Len() == 2 {
			if _, event := r.Fields.Get(protocol.FieldForget); event {
				fmt.Fprintf(c, "SEEN rev=%s hits=0\n", rev)
			}
		}
	}
}

func BenchmarkHandle(b *testing.B) {
	s := New(Options{})
	for b.Loop() {
		s.Handle("subject", "main", "3241a285-8329-4d69-8f3d-316e08cf140c")
	}
}
