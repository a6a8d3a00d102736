package protocol_test

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"unicode/utf8"

	"github.com/neonauthd/neonauthd/protocol"
)

// Each corpus is committed under testdata/fuzz; an empty one fails internal/archtest.

func FuzzRequest(f *testing.F) {
	f.Fuzz(func(t *testing.T, line []byte) {
		original := bytes.Clone(line)
		var r protocol.Request
		err := protocol.ParseRequest(line, &r)
		if !bytes.Equal(line, original) {
			t.Fatal("the line was changed")
		}
		if r.Tag != nil && !bytes.HasPrefix(line, append([]byte("@"), r.Tag...)) {
			t.Fatalf("the tag %q is not the line's", r.Tag)
		}
		if err != nil {
			if r.Verb != nil || r.NArgs != 0 || r.Fields.Len() != 0 || r.Args[0] != nil {
				t.Fatal("an error and a request")
			}
			return
		}
		if got := r.Append(nil); !bytes.Equal(got, append(original, '\n')) {
			t.Fatalf("%q is written back as %q", line, got)
		}
		for _, c := range line {
			if c < 0x20 || c > 0x7e {
				t.Fatalf("byte %#x was accepted", c)
			}
		}
		for i := range r.Fields.Len() {
			name, raw := r.Fields.At(i)
			checkField(t, name, raw)
		}
		var again protocol.Request
		if err := protocol.ParseRequest(line, &again); err != nil || show(&again) != show(&r) {
			t.Fatalf("read twice: %s and %s, %v", show(&r), show(&again), err)
		}
	})
}

func FuzzReply(f *testing.F) {
	f.Fuzz(func(t *testing.T, line []byte) {
		var r protocol.Reply
		if err := protocol.ParseReply(line, &r); err != nil {
			if r.Status != protocol.ERR || r.Word != nil || r.Rest != nil || r.Fields.Len() != 0 {
				t.Fatal("an error and a reply")
			}
			return
		}
		if got := r.Append(nil); string(got) != string(line)+"\n" {
			t.Fatalf("%q is written back as %q", line, got)
		}
		if (len(r.Word) == 0) != (r.Status == protocol.OK) {
			t.Fatalf("%v with the word %q", r.Status, r.Word)
		}
		if !utf8.Valid(line) || bytes.ContainsFunc(line, func(c rune) bool { return c < 0x20 }) {
			t.Fatalf("%q was accepted", line)
		}
		for i := range r.Fields.Len() {
			name, raw := r.Fields.At(i)
			checkField(t, name, raw)
		}
	})
}

// checkField checks that a parsed value can be decoded, and that its text encodes to the same value.
func checkField(t *testing.T, name, raw []byte) {
	s, err := protocol.Value(raw)
	if err != nil {
		t.Fatalf("%s: a value that parsed cannot be decoded: %v", name, err)
	}
	if got := protocol.AppendValue(nil, s); !bytes.Equal(got, raw) {
		t.Fatalf("%s: %q is written back as %q", name, raw, got)
	}
}

func FuzzValue(f *testing.F) {
	f.Fuzz(func(t *testing.T, s string) {
		raw := protocol.AppendValue(nil, s)
		if back, err := protocol.Value(raw); err != nil || back != s {
			t.Fatalf("%q is read back as %q, %v", s, back, err)
		}
		var r protocol.Request
		if err := protocol.ParseRequest(append([]byte("V a="), raw...), &r); err != nil && len(raw) < protocol.MaxRequestLine-5 {
			t.Fatalf("%q cannot stand on a line: %v", raw, err)
		}
		// The other direction: s may itself be a valid encoding.
		if back, err := protocol.Value([]byte(s)); err == nil && string(protocol.AppendValue(nil, back)) != s {
			t.Fatalf("%q is a second spelling of %q", s, back)
		}
		if n, err := protocol.Int([]byte(s)); err == nil && string(protocol.AppendInt(nil, "", n)) != " ="+s {
			t.Fatalf("%q is a second spelling of %d", s, n)
		}
		text := protocol.AppendText([]byte("ERR busy"), s)
		var p protocol.Reply
		if err := protocol.ParseReply(text, &p); err != nil || p.Fields.Len() != 0 {
			t.Fatalf("the text %q becomes %q: %v", s, text, err)
		}
	})
}

// maxRuns bounds the stream of FuzzLineReader to about a megabyte.
const maxRuns = 64

// unroll makes a stream of pairs of bytes: a byte, and how often it comes, which is 1 to 128 times or one of the
// multiples of 128 up to 16384. The fuzzing engine shortens each new input byte by byte, for up to a minute, so the
// input has to be short. The stream has to be longer than every buffer.
func unroll(runs []byte) (stream []byte) {
	for len(runs) >= 2 {
		times := int(runs[1]) + 1
		if times > 128 {
			times = (times - 128) * 128
		}
		stream = append(stream, bytes.Repeat(runs[:1], times)...)
		runs = runs[2:]
	}
	return stream
}

// FuzzLineReader compares the reader with cutting the whole stream at once, whatever sizes the source hands out.
func FuzzLineReader(f *testing.F) {
	f.Fuzz(func(t *testing.T, runs []byte, limit uint16, sizes []byte) {
		if len(runs) > 2*maxRuns || len(sizes) > maxRuns {
			return // enough to make a long stream is enough
		}
		stream := unroll(runs)
		most := int(limit)%20_000 + 1
		l := protocol.NewLineReader(&sized{data: stream, sizes: sizes}, most)
		rest := stream
		for {
			line, err := l.ReadLine()
			want, after, whole := bytes.Cut(rest, []byte("\n"))
			switch {
			case len(want) >= most:
				if err != protocol.ErrLineTooLong {
					t.Fatalf("limit %d, %d bytes without a LF: %d bytes, %v", most, len(want), len(line), err)
				}
				return
			case whole:
				if err != nil || !bytes.Equal(line, want) {
					t.Fatalf("got %q, %v, want %q", line, err, want)
				}
				rest = after
			case len(rest) > 0:
				if err != io.ErrUnexpectedEOF {
					t.Fatalf("inside a line: %q, %v", line, err)
				}
				return
			default:
				if !errors.Is(err, io.EOF) {
					t.Fatalf("at the end: %q, %v", line, err)
				}
				return
			}
		}
	})
}

// sized is a source that gives as many bytes as sizes says, over and over.
type sized struct {
	data, sizes []byte
	calls       int
}

func (s *sized) Read(b []byte) (int, error) {
	if len(s.data) == 0 {
		return 0, io.EOF
	}
	size := len(b)
	if len(s.sizes) > 0 {
		size = min(size, 1+int(s.sizes[s.calls%len(s.sizes)])*16)
	}
	s.calls++
	n := copy(b[:size], s.data)
	s.data = s.data[n:]
	return n, nil
}
