package protocol_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/protocol"
)

// The lines of a busy day: a token of 850 bytes goes in, claims of 450 bytes come out.
func commonRequest() []byte {
	return []byte("@c0ffee PROFILE project=main max-age=30 deadline=500 eyJ" + strings.Repeat("hbGciOi1", 105) + ".a.b")
}

func commonReply() []byte {
	return []byte("@c0ffee OK level=claims project=main sub=9a3b7c60-2f6c-4a2e-9a39-5e4f0a3c1b2d age=3 ttl=57 exp=1764000000 source=cache {" +
		strings.Repeat(`"claim":"value",`, 28) + `"a":1}`)
}

// appendCommonReply writes a reply the way the daemon does on a hit.
func appendCommonReply(dst, tag, json []byte) []byte {
	dst = protocol.AppendStatus(dst, tag, protocol.OK, "")
	dst = protocol.AppendField(dst, protocol.FieldLevel, protocol.LevelClaims)
	dst = protocol.AppendField(dst, protocol.FieldProject, "main")
	dst = protocol.AppendField(dst, protocol.FieldSubject, "9a3b7c60-2f6c-4a2e-9a39-5e4f0a3c1b2d")
	dst = protocol.AppendInt(dst, protocol.FieldAge, 3)
	dst = protocol.AppendInt(dst, protocol.FieldTTL, 57)
	dst = protocol.AppendInt(dst, protocol.FieldExpires, 1764000000)
	dst = protocol.AppendField(dst, protocol.FieldSource, protocol.SourceCache)
	dst = protocol.AppendRest(dst, json)
	return append(dst, '\n')
}

// loop is a source that gives the same bytes for ever.
type loop struct {
	data []byte
	at   int
}

func (l *loop) Read(b []byte) (int, error) {
	n := copy(b, l.data[l.at:])
	l.at = (l.at + n) % len(l.data)
	return n, nil
}

func TestHotPathAllocatesNothing(t *testing.T) {
	request, reply, tag, buf := commonRequest(), commonReply(), []byte("c0ffee"), make([]byte, 0, 4096)
	wrong := []byte("@c0ffee VERIFY a\x00b")
	var q protocol.Request
	var p protocol.Reply
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	must(protocol.ParseRequest(request, &q))
	must(protocol.ParseReply(reply, &p))
	lines := protocol.NewLineReader(&loop{data: append(commonRequest(), '\n')}, protocol.MaxRequestLine)
	for range 100 { // until the buffer has its size
		_, err := lines.ReadLine()
		must(err)
	}
	for name, act := range map[string]func(){
		"ParseRequest":              func() { must(protocol.ParseRequest(request, &q)) },
		"ParseRequest with a fault": func() { _ = protocol.ParseRequest(wrong, new(protocol.Request)) },
		"ParseReply":                func() { must(protocol.ParseReply(reply, &p)) },
		"Request.Append":            func() { buf = q.Append(buf[:0]) },
		"Reply.Append":              func() { buf = p.Append(buf[:0]) },
		"builders":                  func() { buf = appendCommonReply(buf[:0], tag, p.Rest) },
		"AppendText":                func() { buf = protocol.AppendText(buf[:0], "unknown field") },
		"Fields.Get": func() {
			if _, ok := q.Fields.Get(protocol.FieldProject); !ok {
				t.Fatal("no project")
			}
		},
		"Int":      func() { _, err := protocol.Int([]byte("1764000000")); must(err) },
		"ReadLine": func() { _, err := lines.ReadLine(); must(err) },
	} {
		if n := testing.AllocsPerRun(1000, act); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkParseRequest(b *testing.B) {
	line := commonRequest()
	var r protocol.Request
	b.ReportAllocs()
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		if err := protocol.ParseRequest(line, &r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseReply(b *testing.B) {
	for name, line := range map[string][]byte{
		"claims":  commonReply(),
		"profile": append([]byte(`OK level=profile {"image":"`), append(bytes.Repeat([]byte("A"), 300_000), `"}`...)...),
		"unicode": append([]byte(`OK level=profile {"name":"`), append(bytes.Repeat([]byte("Zoë "), 100), `"}`...)...),
	} {
		b.Run(name, func(b *testing.B) {
			var r protocol.Reply
			b.ReportAllocs()
			b.SetBytes(int64(len(line)))
			for b.Loop() {
				if err := protocol.ParseReply(line, &r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppendRequest(b *testing.B) {
	line := commonRequest()
	var r protocol.Request
	if err := protocol.ParseRequest(line, &r); err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 0, 4096)
	b.ReportAllocs()
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		buf = r.Append(buf[:0])
	}
}

func BenchmarkAppendReply(b *testing.B) {
	var r protocol.Reply
	if err := protocol.ParseReply(commonReply(), &r); err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 0, 4096)
	b.ReportAllocs()
	b.SetBytes(int64(len(commonReply())))
	for b.Loop() {
		buf = appendCommonReply(buf[:0], r.Tag, r.Rest)
	}
}

func BenchmarkReadLine(b *testing.B) {
	line := append(commonRequest(), '\n')
	l := protocol.NewLineReader(&loop{data: line}, protocol.MaxRequestLine)
	b.ReportAllocs()
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		if _, err := l.ReadLine(); err != nil {
			b.Fatal(err)
		}
	}
}
