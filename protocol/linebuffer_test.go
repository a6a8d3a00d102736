package protocol

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

// script is a source that returns one whole line per Read, like a peer that waits for each reply.
type script struct{ lines [][]byte }

func (s *script) Read(b []byte) (int, error) {
	if len(s.lines) == 0 {
		return 0, io.EOF
	}
	n := copy(b, s.lines[0])
	if s.lines[0] = s.lines[0][n:]; len(s.lines[0]) == 0 {
		s.lines = s.lines[1:]
	}
	return n, nil
}

func lineOf(n int) []byte { return append(bytes.Repeat([]byte("x"), n-1), '\n') }

func mustRead(t *testing.T, l *LineReader, n int) {
	t.Helper()
	line, err := l.ReadLine()
	if err != nil || len(line)+1 != n {
		t.Fatalf("got %d bytes, %v, want %d", len(line)+1, err, n)
	}
}

func TestBufferStartsSmallAndNeverExceedsTheLimit(t *testing.T) {
	for _, limit := range []int{1, 100, smallBuffer, smallBuffer + 1, MaxRequestLine, 300_000, MaxReplyLine} {
		l := NewLineReader(&script{[][]byte{lineOf(limit)}}, limit)
		if want := min(limit, smallBuffer); len(l.buf) != want {
			t.Errorf("limit %d: the first buffer has %d bytes, want %d", limit, len(l.buf), want)
		}
		mustRead(t, l, limit)
		if len(l.buf) > limit {
			t.Errorf("limit %d: the buffer grew to %d bytes", limit, len(l.buf))
		}
	}
}

func TestBufferIsAtMostFourTimesTheLine(t *testing.T) {
	for n := smallBuffer; n < 1<<20; n += 50_001 {
		l := NewLineReader(&script{[][]byte{lineOf(n)}}, MaxReplyLine)
		mustRead(t, l, n)
		if len(l.buf) > 4*n {
			t.Errorf("a line of %d bytes left a buffer of %d", n, len(l.buf))
		}
	}
}

func TestVeryLargeBufferIsGivenUpAtTheNextRead(t *testing.T) {
	l := NewLineReader(&script{[][]byte{lineOf(1 << 20), lineOf(50), lineOf(50)}}, MaxReplyLine)
	mustRead(t, l, 1<<20)
	mustRead(t, l, 50)
	if len(l.buf) != smallBuffer {
		t.Errorf("the buffer still has %d bytes", len(l.buf))
	}
}

func TestLargeBufferIsGivenUpAfterQuietReads(t *testing.T) {
	lines := [][]byte{lineOf(MaxRequestLine)}
	for range quietFills + 1 {
		lines = append(lines, lineOf(50))
	}
	l := NewLineReader(&script{lines}, MaxRequestLine)
	mustRead(t, l, MaxRequestLine)
	for range quietFills {
		mustRead(t, l, 50)
		if len(l.buf) < MaxRequestLine {
			t.Fatalf("the buffer shrank to %d bytes already", len(l.buf))
		}
	}
	mustRead(t, l, 50)
	if len(l.buf) != smallBuffer {
		t.Errorf("the buffer still has %d bytes", len(l.buf))
	}
}

// Now and then a long line among short ones must not make the buffer go up and down each time.
func TestBufferDoesNotFlap(t *testing.T) {
	var lines [][]byte
	for i := range 100 {
		lines = append(lines, lineOf([]int{9000, 50, 50, 50}[i%4]))
	}
	l := NewLineReader(&script{lines}, MaxRequestLine)
	mustRead(t, l, 9000)
	first := &l.buf[0]
	for i := 1; i < 100; i++ {
		mustRead(t, l, []int{9000, 50, 50, 50}[i%4])
	}
	if &l.buf[0] != first {
		t.Error("the buffer was replaced")
	}
}

// A peer that sends ahead fills the buffer. With a larger buffer the reader needs fewer reads.
func TestBufferGrowsForABusyPeerUpToTheReadAhead(t *testing.T) {
	const lines = 2000
	for _, limit := range []int{MaxRequestLine, MaxReplyLine} {
		l := NewLineReader(strings.NewReader(strings.Repeat(string(lineOf(900)), lines)), limit)
		most := 0
		for range lines {
			mustRead(t, l, 900)
			most = max(most, len(l.buf))
		}
		if most != readAhead {
			t.Errorf("limit %d: the buffer grew to %d bytes, want %d", limit, most, readAhead)
		}
	}
}

func TestTooLongLineGivesItsBufferUp(t *testing.T) {
	l := NewLineReader(bytes.NewReader(lineOf(100_001)), 100_000)
	if _, err := l.ReadLine(); err != ErrLineTooLong {
		t.Fatal(err)
	}
	if l.buf != nil {
		t.Errorf("%d bytes are kept", len(l.buf))
	}
}

// A buffer longer than the limit must not let a longer line in.
func TestReadingAheadAdmitsNoLongerLine(t *testing.T) {
	for _, c := range []struct {
		length int
		want   error
	}{{MaxRequestLine - 1, nil}, {MaxRequestLine, nil}, {MaxRequestLine + 1, ErrLineTooLong}, {3 * MaxRequestLine, ErrLineTooLong}} {
		ahead := strings.Repeat(string(lineOf(900)), 200)
		l := NewLineReader(strings.NewReader(ahead+string(lineOf(c.length))+"next\n"), MaxRequestLine)
		for range 200 {
			mustRead(t, l, 900)
		}
		line, err := l.ReadLine()
		if err != c.want || err == nil && len(line) != c.length-1 {
			t.Errorf("a line of %d bytes: %d bytes, %v", c.length, len(line), err)
		}
	}
}
