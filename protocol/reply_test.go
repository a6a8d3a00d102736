package protocol_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/neonauthd/neonauthd/protocol"
)

func showReply(r *protocol.Reply) string {
	var b strings.Builder
	b.WriteString("tag=" + string(r.Tag) + " " + r.Status.String() + "(" + string(r.Word) + ")")
	for i := range r.Fields.Len() {
		name, value := r.Fields.At(i)
		b.WriteString(" {" + string(name) + "}={" + string(value) + "}")
	}
	return b.String() + " rest=" + string(r.Rest)
}

func TestReplyIsReadAsTheGrammarSays(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"OK", "tag= OK() rest="},
		{"@7 OK", "tag=7 OK() rest="},
		{"NO expired", "tag= NO(expired) rest="},
		{"@a:1 NO bad-signature", "tag=a:1 NO(bad-signature) rest="},
		{"ERR unavailable retry-after=5", "tag= ERR(unavailable) {retry-after}={5} rest="},
		{"ERR bad-request unknown field", "tag= ERR(bad-request) rest=unknown field"},
		{"ERR busy retry-after=1 too  many = signs ", "tag= ERR(busy) {retry-after}={1} rest=too  many = signs "},
		{`OK level=claims sub=a%20b ttl=57 {"sub":"a b","x":"a=b"}`, `tag= OK() {level}={claims} {sub}={a%20b} {ttl}={57} rest={"sub":"a b","x":"a=b"}`},
		{`OK {"näme":"Zoë ✓ 😀"}`, `tag= OK() rest={"näme":"Zoë ✓ 😀"}`},
		{"OK {\"del\":\"\x7f\",\"c1\":\"\u0085\u009b\",\"ls\":\"\u2028\"}", "tag= OK() rest={\"del\":\"\x7f\",\"c1\":\"\u0085\u009b\",\"ls\":\"\u2028\"}"},
		{"NO some-new-reason x=1 text", "tag= NO(some-new-reason) {x}={1} rest=text"},
		{"OK Field=1", "tag= OK() rest=Field=1"},
	} {
		var r protocol.Reply
		if err := protocol.ParseReply([]byte(c.line), &r); err != nil {
			t.Errorf("%q: %v", c.line, err)
			continue
		}
		if got := showReply(&r); got != c.want {
			t.Errorf("%q:\n got %s\nwant %s", c.line, got, c.want)
		}
		if got := string(r.Append(nil)); got != c.line+"\n" {
			t.Errorf("%q is written back as %q", c.line, got)
		}
	}
}

func TestWrongReplyIsRefusedAndMeansUnknown(t *testing.T) {
	for name, c := range map[string]struct{ line, tag string }{
		"empty":                   {"", ""},
		"lower case":              {"ok", ""},
		"greeting":                {"220 mail.example ESMTP", ""},
		"OKAY":                    {"OKAY", ""},
		"NO alone":                {"NO", ""},
		"ERR alone":               {"ERR", ""},
		"NO and a space":          {"NO ", ""},
		"NO and two spaces":       {"NO  expired", ""},
		"reason in upper case":    {"NO Expired", ""},
		"reason is a field":       {"NO a=b", ""},
		"long reason":             {"NO " + strings.Repeat("r", protocol.MaxName+1), ""},
		"CR":                      {"OK\r", ""},
		"CR after the reason":     {"NO expired\r", ""},
		"CR after a field":        {"OK ttl=5\r", ""},
		"CR after the rest":       {"OK {}\r", ""},
		"tab in the rest":         {"OK {\"a\":\t1}", ""},
		"NUL in the rest":         {"OK {\"a\":\"\x00\"}", ""},
		"LF in the rest":          {"OK {}\nOK", ""},
		"control among eight":     {"OK {\"abcdefghij\x1fklmnopq\"}", ""},
		"control after non-ASCII": {"OK {\"é\x01\"}", ""},
		"bad UTF-8":               {"OK {\"\xff\"}", ""},
		"cut UTF-8":               {"OK abcdefgh\xe2\x82", ""},
		"surrogate in UTF-8":      {"OK \xed\xa0\x80", ""},
		"overlong UTF-8":          {"OK \xc0\xaf", ""},
		"trailing space":          {"OK ", ""},
		"two spaces":              {"OK  {}", ""},
		"space after a field":     {"OK ttl=5 ", ""},
		"spaces before the rest":  {"OK ttl=5  {}", ""},
		"field given twice":       {"OK ttl=5 ttl=5", ""},
		"lower-case hex":          {"OK sub=%c3%a9", ""},
		"raw UTF-8 in a value":    {"OK sub=é {}", ""},
		"long name":               {"OK " + strings.Repeat("n", protocol.MaxName+1) + "=1", ""},
		"bad tag":                 {"@a/b OK", ""},
		"tag alone":               {"@a", "a"},
		"tag and fault":           {"@a OK ttl=5 ttl=6 {}", "a"},
	} {
		t.Run(name, func(t *testing.T) {
			var r protocol.Reply
			if err := protocol.ParseReply([]byte("@old OK a=1 {}"), &r); err != nil {
				t.Fatal(err)
			}
			err := protocol.ParseReply([]byte(c.line), &r)
			if err == nil {
				t.Fatalf("%q was taken as %s", c.line, showReply(&r))
			}
			if got, want := showReply(&r), "tag="+c.tag+" ERR() rest="; got != want {
				t.Errorf("after the error: %s, want %s", got, want)
			}
		})
	}
}

func TestReplyLimitsHoldExactly(t *testing.T) {
	for _, n := range []int{protocol.MaxReplyLine - 1, protocol.MaxReplyLine, protocol.MaxReplyLine + 1} {
		line := append([]byte("OK "), bytes.Repeat([]byte("x"), n-len("OK ")-1)...) // n counts the LF
		var r protocol.Reply
		err := protocol.ParseReply(line, &r)
		if (err == nil) != (n <= protocol.MaxReplyLine) {
			t.Errorf("%d of %d bytes: error %v", n, protocol.MaxReplyLine, err)
		}
	}
	for _, n := range []int{protocol.MaxFields - 1, protocol.MaxFields, protocol.MaxFields + 1} {
		line := "OK"
		for i := range n {
			line += " f" + strings.Repeat("x", i) + "="
		}
		var r protocol.Reply
		err := protocol.ParseReply([]byte(line), &r)
		if (err == nil) != (n <= protocol.MaxFields) {
			t.Errorf("%d of %d fields: error %v", n, protocol.MaxFields, err)
		}
	}
}

// The largest reply that a daemon can have reason to send fits: the largest profile, the longest of every field.
func TestLargestProfileFitsIntoAReplyLine(t *testing.T) {
	profile := []byte(`{"a":"` + strings.Repeat("x", protocol.MaxProfile-len(`{"a":""}`)) + `"}`)
	line := protocol.AppendStatus(nil, bytes.Repeat([]byte("t"), protocol.MaxTag), protocol.OK, "")
	line = protocol.AppendField(line, protocol.FieldLevel, protocol.LevelProfile)
	line = protocol.AppendField(line, protocol.FieldProject, strings.Repeat("p", 32))
	line = protocol.AppendField(line, protocol.FieldSubject, strings.Repeat("é", 512)) // six bytes on the wire each
	for _, name := range []string{protocol.FieldAge, protocol.FieldTTL, protocol.FieldExpires} {
		line = protocol.AppendInt(line, name, 1<<62)
	}
	line = protocol.AppendField(line, protocol.FieldSource, protocol.SourceUpstream)
	line = protocol.AppendRest(line, profile)
	var r protocol.Reply
	if err := protocol.ParseReply(line, &r); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(r.Rest, profile) {
		t.Error("the profile came out changed")
	}
}

// Every JSON text on one line can be a rest, whatever characters its strings hold.
func TestRestTakesEveryCompactJSONText(t *testing.T) {
	for c := rune(0); c <= 0x2100; c++ {
		text := []byte(`{"a":"` + string(c) + `"}`)
		if c == '"' || c == '\\' {
			continue
		}
		if got, want := protocol.ValidRest(text), json.Valid(text) && utf8.Valid(text); got != want {
			t.Errorf("U+%04X: ValidRest %v, and as JSON %v", c, got, want)
		}
	}
	for b := range 256 {
		text := append(bytes.Repeat([]byte("x"), 20), byte(b))
		if got, want := protocol.ValidRest(text), b >= 0x20 && b < 0x80; got != want {
			t.Errorf("a last byte of %#x: ValidRest %v", b, got)
		}
	}
}

func TestZeroReplyMeansUnknown(t *testing.T) {
	for name, r := range map[string]*protocol.Reply{
		"zero":                {},
		"NO without a reason": {Status: protocol.NO},
		"no such status":      {Status: 9},
	} {
		if got := string(r.Append(nil)); got != "ERR unavailable\n" {
			t.Errorf("%s is written as %q", name, got)
		}
	}
}
