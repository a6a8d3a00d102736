package daemon

import (
	"bufio"
	"bytes"
	"errors"
	"net"
	"runtime"
	"testing"
)

// TestRepliesThatWaitForTheirTurnShareTheirProfile: many who wait behind a slow
// lookup for one large profile must not cost a copy each, neither while they
// wait nor when they are written.
func TestRepliesThatWaitForTheirTurnShareTheirProfile(t *testing.T) {
	const waiting, size = 255, 1 << 20
	ours, theirs := net.Pipe()
	defer ours.Close()
	defer theirs.Close()
	o := newOutbox(ours, waiting+1, func() { t.Error("the connection broke") })
	body := append(append([]byte(`{"a":"`), bytes.Repeat([]byte{'x'}, size)...), `"}`...)
	places := make([]*slot, waiting+1)
	for i := range places {
		places[i] = o.reserve(nil)
	}
	before := heap()
	for _, place := range places[1:] {
		o.verdict(nil, place, &Verdict{Outcome: Accepted, Level: LevelProfile, Body: body, entry: &entry{}}, &access{})
	}
	if grown := heap() - before; grown > 8*size {
		t.Errorf("%d bytes are held for one profile of %d", grown, size)
	}
	lines := make(chan int)
	go func() {
		defer close(lines)
		for r := bufio.NewReader(theirs); ; {
			n, err := skipLine(r)
			if err != nil {
				return
			}
			lines <- n
		}
	}()
	go func() {
		v := rejected(Malformed)
		o.verdict(nil, places[0], &v, &access{})
		o.flush()
	}()
	for i := range places {
		n := <-lines
		if i > 0 && n < size || i == 0 && n > 64 {
			t.Fatalf("reply %d has %d bytes", i, n)
		}
		if i == waiting/2 {
			if grown := heap() - before; grown > 16*size {
				t.Errorf("%d bytes are held while they are written", grown)
			}
		}
	}
	_ = theirs.Close()
	<-lines
	if o.held != 0 {
		t.Errorf("%d bytes count as held when nothing waits", o.held)
	}
}

// heap is the bytes that are alive.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// skipLine reads to the end of a line and returns its length.
func skipLine(r *bufio.Reader) (n int, err error) {
	for {
		part, err := r.ReadSlice('\n')
		n += len(part)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return n, err
		}
	}
}
