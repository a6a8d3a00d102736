package protocol_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/neonauthd/neonauthd/protocol"
)

// pieces is a source that returns one piece per Read. A piece that is an error is
// returned as the error.
type pieces []any

func (p *pieces) Read(b []byte) (int, error) {
	if len(*p) == 0 {
		return 0, io.EOF
	}
	next := (*p)[0]
	*p = (*p)[1:]
	switch next := next.(type) {
	case error:
		return 0, next
	case string:
		n := copy(b, next)
		if n < len(next) {
			*p = append(pieces{next[n:]}, *p...)
		}
		return n, nil
	default:
		panic("a piece is a string or an error")
	}
}

// readAll reads to the first error and returns the lines, quoted and joined, with it.
func readAll(l *protocol.LineReader) (string, error) {
	var lines []string
	for {
		line, err := l.ReadLine()
		if err != nil {
			return strings.Join(lines, " "), err
		}
		lines = append(lines, fmt.Sprintf("%q", line))
	}
}

func TestStreamIsCutAtEachLF(t *testing.T) {
	for _, c := range []struct {
		stream, lines string
		err           error
	}{
		{"", "", io.EOF},
		{"PING\n", `"PING"`, io.EOF},
		{"a\nb\nc\n", `"a" "b" "c"`, io.EOF},
		{"\n\n", `"" ""`, io.EOF},
		{"a\r\nb\n", `"a\r" "b"`, io.EOF},
		{"a\x00b\n", `"a\x00b"`, io.EOF},
		{"a\nb", `"a"`, io.ErrUnexpectedEOF},
		{"a", "", io.ErrUnexpectedEOF},
	} {
		for name, source := range map[string]io.Reader{
			"at once":            strings.NewReader(c.stream),
			"one byte at a time": iotest.OneByteReader(strings.NewReader(c.stream)),
			"half at a time":     iotest.HalfReader(strings.NewReader(c.stream)),
			"EOF with the data":  iotest.DataErrReader(strings.NewReader(c.stream)),
		} {
			lines, err := readAll(protocol.NewLineReader(source, 100))
			if lines != c.lines || err != c.err {
				t.Errorf("%q %s: got %s and %v, want %s and %v", c.stream, name, lines, err, c.lines, c.err)
			}
		}
	}
}

func TestLineLimitHoldsExactly(t *testing.T) {
	for _, limit := range []int{1, 2, 10, 4095, 4096, 4097, 5000, protocol.MaxRequestLine, 100_000, protocol.MaxReplyLine} {
		for _, n := range []int{limit - 1, limit, limit + 1} { // with the LF
			if n < 1 {
				continue
			}
			line := strings.Repeat("x", n-1)
			for _, before := range []string{"", "\n", "\n\n"} { // shifts the line in the buffer
				l := protocol.NewLineReader(strings.NewReader(before+line+"\nnext\n"), limit)
				for range before {
					if got, err := l.ReadLine(); err != nil || len(got) != 0 {
						t.Fatalf("limit %d: %q, %v before the line", limit, got, err)
					}
				}
				got, err := l.ReadLine()
				if n <= limit && (err != nil || string(got) != line) {
					t.Errorf("limit %d: a line of %d bytes gives %d bytes, %v", limit, n, len(got), err)
				}
				if n > limit && (err != protocol.ErrLineTooLong || got != nil) {
					t.Errorf("limit %d: a line of %d bytes gives %d bytes, %v", limit, n, len(got), err)
				}
			}
		}
	}
}

func TestNothingIsReadAfterALineThatIsTooLong(t *testing.T) {
	l := protocol.NewLineReader(strings.NewReader("ok\n"+strings.Repeat("x", 20)+"\nPING\n"), 10)
	lines, err := readAll(l)
	if lines != `"ok"` || err != protocol.ErrLineTooLong {
		t.Fatalf("got %s, %v", lines, err)
	}
	for range 3 {
		if line, err := l.ReadLine(); err != protocol.ErrLineTooLong || line != nil || l.Buffered() {
			t.Errorf("later: %q, %v, Buffered %v", line, err, l.Buffered())
		}
	}
}

func TestErrorOfTheSourceLosesNothing(t *testing.T) {
	late := errors.New("late")
	l := protocol.NewLineReader(&pieces{"a\nb\nc", late, late, "d\n", late, "e\n"}, 100)
	var got []string
	for {
		line, err := l.ReadLine()
		if err == io.EOF {
			break
		}
		if err != nil && err != late {
			t.Fatal(err)
		}
		if err != nil {
			line = []byte("!")
		}
		got = append(got, string(line))
	}
	if want := "a b ! ! cd ! e"; strings.Join(got, " ") != want {
		t.Errorf("got %q, want %q", strings.Join(got, " "), want)
	}
}

func TestErrorThatComesWithDataWaitsForTheLines(t *testing.T) {
	late := errors.New("late")
	l := protocol.NewLineReader(readerFunc(func() func(b []byte) (int, error) {
		calls := 0
		return func(b []byte) (int, error) {
			calls++
			if calls == 1 {
				return copy(b, "a\nb\nc"), late
			}
			return copy(b, "\n"), io.EOF
		}
	}()), 100)
	lines, err := readAll(l)
	if lines != `"a" "b"` || err != late {
		t.Fatalf("got %s, %v", lines, err)
	}
	lines, err = readAll(l)
	if lines != `"c"` || err != io.EOF {
		t.Fatalf("then %s, %v", lines, err)
	}
}

func TestEndInsideALineIsToldEachTime(t *testing.T) {
	l := protocol.NewLineReader(strings.NewReader("PIN"), 100)
	for range 2 {
		if _, err := l.ReadLine(); err != io.ErrUnexpectedEOF {
			t.Errorf("got %v", err)
		}
	}
}

func TestSourceThatGivesNothingIsGivenUp(t *testing.T) {
	l := protocol.NewLineReader(readerFunc(func([]byte) (int, error) { return 0, nil }), 100)
	if _, err := l.ReadLine(); err != io.ErrNoProgress {
		t.Errorf("got %v", err)
	}
}

func TestBufferedTellsOfWholeLinesOnly(t *testing.T) {
	l := protocol.NewLineReader(&pieces{"a\nb\nc", "\n"}, 100)
	if l.Buffered() {
		t.Error("a line before anything was read")
	}
	for _, c := range []struct {
		line string
		more bool
	}{{"a", true}, {"b", false}, {"c", false}} {
		line, err := l.ReadLine()
		if err != nil || string(line) != c.line {
			t.Fatalf("got %q, %v, want %q", line, err, c.line)
		}
		for range 2 { // asking changes nothing
			if got := l.Buffered(); got != c.more {
				t.Errorf("after %q: Buffered %v, want %v", c.line, got, c.more)
			}
		}
	}
}

// A line stays as it is until the next call, whatever the reader asks of its source in between.
func TestLineIsValidUntilTheNextCall(t *testing.T) {
	var stream bytes.Buffer
	var want []string
	for i := range 2000 {
		want = append(want, strings.Repeat(string(rune('a'+i%26)), i*7%3001))
		stream.WriteString(want[i] + "\n")
	}
	l := protocol.NewLineReader(iotest.HalfReader(&stream), 4000)
	for i := range want {
		line, err := l.ReadLine()
		if err != nil {
			t.Fatal(err)
		}
		l.Buffered()
		if string(line) != want[i] {
			t.Fatalf("line %d is not what was sent", i)
		}
	}
}

func TestLimitBelowOnePanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	protocol.NewLineReader(strings.NewReader(""), 0)
}

// readerFunc is a source that is one function.
type readerFunc func(b []byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

func TestReaderIsEmptyWhenNothingCameBesideTheLine(t *testing.T) {
	for stream, want := range map[string]bool{
		"one\n": true, "one\ntwo\n": false, "one\nt": false, "one\n\n": false,
	} {
		l := protocol.NewLineReader(strings.NewReader(stream), 100)
		if !l.Empty() {
			t.Errorf("%q: not empty before anything was read", stream)
		}
		if _, err := l.ReadLine(); err != nil || l.Empty() != want {
			t.Errorf("%q: empty after its first line is %t (error: %v)", stream, l.Empty(), err)
		}
	}
}
