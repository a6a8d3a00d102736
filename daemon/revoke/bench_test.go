package revoke

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/statedir"
	"github.com/neonauthd/neonauthd/internal/e2e"
)

// fullList returns a list with as many revocations as possible, in its journal.
func fullList(b *testing.B, dir *statedir.Dir) *List {
	b.Helper()
	l, err := Open(dir, Options{Now: time.Now})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = l.Close() })
	for i := range Max {
		m := Mark{Kinds()[i%3], "main", fmt.Sprintf("%08x-4d7e-4b7b-8a55-0123456789ab", i)}
		if m.Kind == KindToken {
			m.Value = SignedDigest([]byte(m.Value))
		}
		l.put(m, revocation{at: time.Now().Unix(), until: time.Now().Add(24 * time.Hour).Unix()})
	}
	known := l.known()
	if err := l.rewrite(&known); err != nil {
		b.Fatal(err)
	}
	return l
}

// BenchmarkLoad also reports how much memory a full list takes.
func BenchmarkLoad(b *testing.B) {
	dir := newShelf(b).openState(b.TempDir())
	if err := fullList(b, dir).Close(); err != nil {
		b.Fatal(err)
	}
	load := func() *List {
		l, err := Open(dir, Options{Now: time.Now})
		if err != nil || l.Len() != Max || l.Close() != nil {
			b.Fatal(err)
		}
		return l
	}
	before := e2e.Heap()
	l := load()
	size := e2e.Heap() - before
	runtime.KeepAlive(l)
	b.ReportAllocs()
	for b.Loop() {
		load()
	}
	b.ReportMetric(float64(size)/1e6, "MB-live")
}

func BenchmarkRewrite(b *testing.B) {
	l := fullList(b, newShelf(b).openState(b.TempDir()))
	known := l.known()
	b.ReportAllocs()
	for b.Loop() {
		if err := l.rewrite(&known); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	l := fullList(b, newShelf(b).openState(b.TempDir()))
	m := Mark{KindSession, "main", "12345678-4d7e-4b7b-8a55-0123456789ab"}
	b.ReportAllocs()
	for b.Loop() {
		if err := l.journal.append([]line{{Op: opRevoke, Mark: m, At: 1, Until: 2}}); err != nil {
			b.Fatal(err)
		}
	}
}
