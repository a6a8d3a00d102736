package protocol_test

import (
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/protocol"
)

// show writes a request so that two can be compared and a difference can be read.
func show(r *protocol.Request) string {
	var b strings.Builder
	b.WriteString("tag=" + string(r.Tag) + " verb=" + string(r.Verb))
	for i := range r.Fields.Len() {
		name, value := r.Fields.At(i)
		b.WriteString(" {" + string(name) + "}={" + string(value) + "}")
	}
	for _, arg := range r.Args[:r.NArgs] {
		b.WriteString(" [" + string(arg) + "]")
	}
	return b.String()
}

func TestRequestIsReadAsTheGrammarSays(t *testing.T) {
	tag32 := strings.Repeat("t", protocol.MaxTag)
	name32 := strings.Repeat("n", protocol.MaxName)
	for _, c := range []struct{ line, want string }{
		{"PING", "tag= verb=PING"},
		{"A", "tag= verb=A"},
		{strings.Repeat("V", protocol.MaxName), "tag= verb=" + strings.Repeat("V", 32)},
		{"@1 PING", "tag=1 verb=PING"},
		{"@aZ0_.:- PING", "tag=aZ0_.:- verb=PING"},
		{"@" + tag32 + " PING", "tag=" + tag32 + " verb=PING"},
		{"VERIFY a.b.c", "tag= verb=VERIFY [a.b.c]"},
		{"@x VERIFY project=main deadline=50 a.b.c", "tag=x verb=VERIFY {project}={main} {deadline}={50} [a.b.c]"},
		{"VERIFY project= a", "tag= verb=VERIFY {project}={} [a]"},
		{"VERIFY a=b=c", "tag= verb=VERIFY {a}={b=c}"},
		{"VERIFY " + name32 + "=1", "tag= verb=VERIFY {" + name32 + "}={1}"},
		{"VERIFY a=%20%25%7F%FF%0A", "tag= verb=VERIFY {a}={%20%25%7F%FF%0A}"},
		// A word is a field only when everything before the first "=" may stand in a name.
		{"VERIFY A=b", "tag= verb=VERIFY [A=b]"},
		{"VERIFY =b", "tag= verb=VERIFY [=b]"},
		{"VERIFY a_b=c", "tag= verb=VERIFY [a_b=c]"},
		{"VERIFY -=", "tag= verb=VERIFY {-}={}"},
		// After the first argument every word is an argument.
		{"REVOKE subject a=b", "tag= verb=REVOKE [subject] [a=b]"},
		{"REVOKE subject %zz", "tag= verb=REVOKE [subject] [%zz]"},
		{"HELLO 1 my%20client", "tag= verb=HELLO [1] [my%20client]"},
		{"GET / HTTP/1.1", "tag= verb=GET [/] [HTTP/1.1]"},
		{"VERIFY !~", "tag= verb=VERIFY [!~]"},
	} {
		var r protocol.Request
		if err := protocol.ParseRequest([]byte(c.line), &r); err != nil {
			t.Errorf("%q: %v", c.line, err)
			continue
		}
		if got := show(&r); got != c.want {
			t.Errorf("%q: got %s, want %s", c.line, got, c.want)
		}
		if got := string(r.Append(nil)); got != c.line+"\n" {
			t.Errorf("%q is written back as %q", c.line, got)
		}
	}
}

func TestWrongRequestIsRefusedAndKeepsOnlyItsTag(t *testing.T) {
	const secret = "s3cr3t"
	many := strings.Builder{}
	for i := range protocol.MaxFields + 1 {
		many.WriteString(" f" + strings.Repeat("x", i) + "=1")
	}
	for name, c := range map[string]struct{ line, tag string }{
		"empty":                     {"", ""},
		"space alone":               {" ", ""},
		"leading space":             {" PING", ""},
		"trailing space":            {"PING ", ""},
		"two spaces":                {"VERIFY  " + secret, ""},
		"CR at the end":             {"PING\r", ""},
		"CR after the argument":     {"VERIFY " + secret + "\r", ""},
		"CR in a value":             {"VERIFY a=b\r " + secret, ""},
		"LF":                        {"PING\nPING", ""},
		"tab":                       {"VERIFY\t" + secret, ""},
		"NUL":                       {"VERIFY " + secret + "\x00", ""},
		"DEL":                       {"VERIFY " + secret + "\x7f", ""},
		"DEL among eight":           {"VERIFY abc\x7fdefgh", ""},
		"control among eight":       {"VERIFY abcdef\x1fgh", ""},
		"UTF-8":                     {"VERIFY s3cr3té", ""},
		"0x80 and 0xFF among eight": {"VERIFY abcdef\x80\xff", ""},
		"lower-case verb":           {"verify " + secret, ""},
		"verb with digit":           {"VERIFY2 " + secret, ""},
		"long verb":                 {strings.Repeat("V", protocol.MaxName+1), ""},
		"long name":                 {"VERIFY " + strings.Repeat("n", protocol.MaxName+1) + "=1", ""},
		"three arguments":           {"REVOKE token " + secret + " more", ""},
		"field given twice":         {"VERIFY a=1 b=2 a=1", ""},
		"too many fields":           {"VERIFY" + many.String(), ""},
		"lower-case hex":            {"VERIFY a=%2f", ""},
		"needless escape":           {"VERIFY a=%41", ""},
		"escaped tilde":             {"VERIFY a=%7E", ""},
		"cut escape":                {"VERIFY a=%2", ""},
		"bare percent":              {"VERIFY a=%", ""},
		"percent and no hex":        {"VERIFY a=%GG", ""},
		"UTF-8 in a value":          {"VERIFY a=é", ""},
		"empty tag":                 {"@ PING", ""},
		"long tag":                  {"@" + strings.Repeat("t", protocol.MaxTag+1) + " PING", ""},
		"slash in tag":              {"@a/b PING", ""},
		"two tags":                  {"@a @b PING", "a"},
		"tag alone":                 {"@a", "a"},
		"tag and space":             {"@a ", "a"},
		"tag and two spaces":        {"@a  PING", "a"},
		"tag and CR":                {"@a PING\r", "a"},
		"tag and late fault":        {"@a VERIFY x=1 y=2 " + secret + " z\x01", "a"},
	} {
		t.Run(name, func(t *testing.T) {
			var r protocol.Request
			if err := protocol.ParseRequest([]byte("@old OLD a=1 b c"), &r); err != nil {
				t.Fatal(err)
			}
			err := protocol.ParseRequest([]byte(c.line), &r)
			if err == nil {
				t.Fatalf("%q was taken as %s", c.line, show(&r))
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the error repeats the line: %v", err)
			}
			if _, ok := err.(protocol.SyntaxError); !ok || !protocol.ValidRest([]byte(err.Error())) {
				t.Errorf("%q (%T) cannot be sent as it is", err, err)
			}
			if got, want := show(&r), "tag="+c.tag+" verb="; got != want {
				t.Errorf("after the error: %s, want %s", got, want)
			}
			if r.Args[0] != nil || r.Args[1] != nil {
				t.Error("an argument of an earlier line is left")
			}
		})
	}
}

func TestRequestLimitsHoldExactly(t *testing.T) {
	fields := func(n int) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(" f" + strings.Repeat("x", i) + "=1")
		}
		return b.String()
	}
	args := func(n int) string { return strings.Repeat(" A", n) }
	long := func(n int) string { return "VERIFY " + strings.Repeat("t", n-len("VERIFY ")-1) } // n counts the LF
	for _, c := range []struct {
		name  string
		limit int
		line  func(int) string
	}{
		{"MaxRequestLine", protocol.MaxRequestLine, long},
		{"MaxTag", protocol.MaxTag, func(n int) string { return "@" + strings.Repeat("t", n) + " PING" }},
		{"MaxName of a verb", protocol.MaxName, func(n int) string { return strings.Repeat("V", n) }},
		{"MaxName of a field", protocol.MaxName, func(n int) string { return "V " + strings.Repeat("n", n) + "=" }},
		{"MaxFields", protocol.MaxFields, func(n int) string { return "V" + fields(n) }},
		{"MaxArguments", protocol.MaxArguments, func(n int) string { return "V" + args(n) }},
	} {
		for _, n := range []int{c.limit - 1, c.limit, c.limit + 1} {
			var r protocol.Request
			err := protocol.ParseRequest([]byte(c.line(n)), &r)
			if (err == nil) != (n <= c.limit) {
				t.Errorf("%s: %d of %d: error %v", c.name, n, c.limit, err)
			}
		}
	}
	var r protocol.Request
	if err := protocol.ParseRequest([]byte(long(protocol.MaxRequestLine+1)), &r); err != protocol.ErrLineTooLong {
		t.Errorf("a long line gives %v, want ErrLineTooLong", err)
	}
}

func TestRequestBuiltByHandIsReadBackTheSame(t *testing.T) {
	r := protocol.Request{Tag: []byte("7"), Verb: []byte(protocol.PROFILE), NArgs: 1}
	r.Args[0] = []byte("a.b.c")
	for _, f := range [][2]string{{protocol.FieldProject, "main"}, {protocol.FieldMaxAge, "0"}} {
		if err := r.Fields.Add(f[0], []byte(f[1])); err != nil {
			t.Fatal(err)
		}
	}
	line := r.Append(nil)
	if got, want := string(line), "@7 PROFILE project=main max-age=0 a.b.c\n"; got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
	var back protocol.Request
	if err := protocol.ParseRequest(line[:len(line)-1], &back); err != nil {
		t.Fatal(err)
	}
	if show(&back) != show(&r) {
		t.Errorf("got %s, want %s", show(&back), show(&r))
	}
}

func TestValidWordIsWhatParsesAsTheFirstArgument(t *testing.T) {
	for _, word := range []string{
		"", "a", "a.b.c", "a=b", "A=b", "=", "a b", "a\n", "a\r", "\x00", "é", "~", "!", "-=", "abcdefgh", "abcdefg\x7f", "@x",
		strings.Repeat("n", 40) + "=x",
	} {
		var r protocol.Request
		err := protocol.ParseRequest([]byte("VERIFY "+word), &r)
		parses := err == nil && r.NArgs == 1 && string(r.Args[0]) == word
		if got := protocol.ValidWord([]byte(word)); got != parses {
			t.Errorf("ValidWord(%q) = %v, and on a line it is an argument: %v", word, got, parses)
		}
	}
}
