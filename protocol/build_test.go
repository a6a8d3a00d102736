package protocol_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/neonauthd/neonauthd/protocol"
)

func TestBuildersWriteWhatParses(t *testing.T) {
	line := protocol.AppendStatus(nil, []byte("9"), protocol.OK, "")
	line = protocol.AppendField(line, protocol.FieldSubject, "a b%é")
	line = protocol.AppendInt(line, protocol.FieldTTL, 57)
	line = protocol.AppendRest(line, []byte(`{"a":1}`))
	if got, want := string(line), `@9 OK sub=a%20b%25%C3%A9 ttl=57 {"a":1}`; got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
	var r protocol.Reply
	if err := protocol.ParseReply(line, &r); err != nil {
		t.Fatal(err)
	}
	if got := string(protocol.AppendStatus(nil, nil, protocol.NO, string(protocol.ReasonExpired))); got != "NO expired" {
		t.Errorf("got %q", got)
	}
	if got := string(protocol.AppendStatus(nil, nil, protocol.NO, "")); got != "ERR unavailable" {
		t.Errorf("a rejection without a reason is written as %q", got)
	}
}

func TestTextBecomesOneLineThatIsReadAsRest(t *testing.T) {
	for text, want := range map[string]string{
		"unknown field":          "unknown field",
		"":                       "",
		"   ":                    "",
		"  two  spaces":          "two  spaces",
		"a\r\nOK forged":         "a??OK forged",
		"tab\tnul\x00del\x7f":    "tab?nul?del?",
		"c1\u009b ls\u2028":      "c1? ls?",
		"bad\xffutf8":            "bad?utf8",
		"x=1 y=2":                "x:1 y=2",
		"x==1":                   "x:=1",
		"=1":                     "=1",
		"max_bytes=1":            "max_bytes=1",
		" a=b":                   "a:b",
		"Zoë ✓":                  "Zoë ✓",
		"file.toml:3:1: x=1 bad": "file.toml:3:1: x=1 bad",
	} {
		line := protocol.AppendText([]byte("ERR misconfigured"), text)
		got := strings.TrimPrefix(strings.TrimPrefix(string(line), "ERR misconfigured"), " ")
		if got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
		var r protocol.Reply
		if err := protocol.ParseReply(line, &r); err != nil || string(r.Rest) != want || r.Fields.Len() != 0 {
			t.Errorf("%q is read as %s, %v", line, showReply(&r), err)
		}
	}
}

func TestTextIsCutBetweenCharacters(t *testing.T) {
	for _, n := range []int{protocol.MaxText - 1, protocol.MaxText, protocol.MaxText + 1} {
		if got := len(protocol.AppendText(nil, strings.Repeat("x", n))) - 1; got != min(n, protocol.MaxText) {
			t.Errorf("%d bytes give %d", n, got)
		}
	}
	for shift := range 4 {
		got := protocol.AppendText(nil, strings.Repeat("x", shift)+strings.Repeat("😀", protocol.MaxText))
		if !utf8.Valid(got) || len(got)-1 > protocol.MaxText || len(got)-1 < protocol.MaxText-3 {
			t.Errorf("shift %d: %d bytes, valid %v", shift, len(got)-1, utf8.Valid(got))
		}
	}
}

// The scanners look at many bytes at once. This test puts each byte at each place and expects what the rule for a
// single byte says.
func TestEveryByteIsSeenAtEveryPlace(t *testing.T) {
	const size = 100
	for place := range size {
		for c := range 256 {
			word := []byte(strings.Repeat("A", size))
			word[place] = byte(c)
			if got, want := protocol.ValidWord(word), c >= 0x21 && c <= 0x7e; got != want {
				t.Fatalf("byte %#x at place %d of a word: %v", c, place, got)
			}
			if got, want := protocol.ValidRest(word), c >= 0x20 && c < 0x80 && (c != ' ' || place != 0); got != want {
				t.Fatalf("byte %#x at place %d of a rest: %v", c, place, got)
			}
		}
	}
	for place := range size - 1 {
		for c := range 256 { // beside a byte that is not ASCII
			text := strings.Repeat("é", place) + "x" + strings.Repeat("é", size-place)
			rest := []byte(text)
			rest[2*place] = byte(c)
			if got, want := protocol.ValidRest(rest), c >= 0x20 && c < 0x80 && (c != ' ' || place != 0); got != want {
				t.Fatalf("byte %#x at place %d among é: %v", c, place, got)
			}
		}
	}
}
