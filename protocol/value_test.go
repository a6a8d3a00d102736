package protocol_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/protocol"
)

func TestValueHasOneSpelling(t *testing.T) {
	for s, raw := range map[string]string{
		"":              "",
		"main":          "main",
		"a b":           "a%20b",
		"100%":          "100%25",
		"%41":           "%2541",
		"é":             "%C3%A9",
		"\x00\r\n\x7f":  "%00%0D%0A%7F",
		"!~=@{}\"":      "!~=@{}\"",
		"\xff":          "%FF",
		"\u2028":        "%E2%80%A8",
		" ":             "%20",
		"tail%":         "tail%25",
		"00000000\t001": "00000000%09001",
	} {
		if got := string(protocol.AppendValue([]byte("x"), s)); got != "x"+raw {
			t.Errorf("AppendValue(%q) = %q, want %q", s, got[1:], raw)
		}
		got, err := protocol.Value([]byte(raw))
		if err != nil || got != s {
			t.Errorf("Value(%q) = %q, %v, want %q", raw, got, err, s)
		}
	}
	for _, raw := range []string{"%", "%2", "%2f", "%c3%a9", "%41", "%7E", "%21", "%G0", "%0G", "a b", "é", "\n", "a%", "%%25", "%25%", "\x7f"} {
		if got, err := protocol.Value([]byte(raw)); err == nil || got != "" {
			t.Errorf("Value(%q) = %q, %v, want an error and nothing", raw, got, err)
		}
	}
}

// Each byte has exactly one of the 257 spellings: itself, or one of the escapes.
func TestEveryByteHasOneSpelling(t *testing.T) {
	for b := range 256 {
		spellings := 0
		if s, err := protocol.Value([]byte{byte(b)}); err == nil && s == string([]byte{byte(b)}) {
			spellings++
		}
		for e := range 256 {
			raw := []byte{'%', "0123456789ABCDEF"[e>>4], "0123456789ABCDEF"[e&15]}
			if s, err := protocol.Value(raw); err == nil && s == string([]byte{byte(b)}) {
				spellings++
			}
		}
		if spellings != 1 {
			t.Errorf("byte %#x has %d spellings", b, spellings)
		}
	}
}

func TestIntIsTheInverseOfAppendInt(t *testing.T) {
	for _, v := range []int64{0, 1, 9, 10, 57, 1764000000, math.MaxInt64, -1, -10, math.MinInt64} {
		raw := protocol.AppendInt(nil, "n", v)
		got, err := protocol.Int(raw[len(" n="):])
		if err != nil || got != v {
			t.Errorf("Int(%q) = %d, %v, want %d", raw, got, err, v)
		}
	}
	for _, raw := range []string{
		"", "-", "-0", "00", "01", "-01", "+1", " 1", "1 ", "1.0", "1e3", "0x1", "1_0", "a", "--1",
		"9223372036854775808", "-9223372036854775809", "18446744073709551616", "99999999999999999999999",
	} {
		if v, err := protocol.Int([]byte(raw)); err == nil || v != 0 {
			t.Errorf("Int(%q) = %d, %v, want an error and 0", raw, v, err)
		}
	}
}

func TestFieldsAreFoundByNameAndCounted(t *testing.T) {
	var f protocol.Fields
	if _, ok := f.Get("a"); ok || f.Len() != 0 {
		t.Error("the zero value has a field")
	}
	for _, name := range []string{"a", "b", "max-age"} {
		if err := f.Add(name, []byte(name+"-value")); err != nil {
			t.Fatal(err)
		}
	}
	for i, name := range []string{"a", "b", "max-age"} {
		if raw, ok := f.Get(name); !ok || string(raw) != name+"-value" {
			t.Errorf("Get(%q) = %q, %v", name, raw, ok)
		}
		if n, _ := f.At(i); string(n) != name {
			t.Errorf("At(%d) is %q, want %q", i, n, name)
		}
	}
	if _, ok := f.Get("c"); ok {
		t.Error("found what is not there")
	}
	defer func() {
		if recover() == nil {
			t.Error("At beyond the end does not panic")
		}
	}()
	f.At(3)
}

func TestFieldThatCannotStandOnALineIsNotAdded(t *testing.T) {
	for _, c := range []struct{ name, raw string }{
		{"", "x"}, {"A", "x"}, {"a b", "x"}, {"a=", "x"}, {"a\n", "x"}, {strings.Repeat("n", protocol.MaxName+1), "x"},
		{"a", "b c"}, {"a", "b\n"}, {"a", "é"}, {"a", "%2f"}, {"there", "x"},
	} {
		var f protocol.Fields
		if err := f.Add("there", nil); err != nil {
			t.Fatal(err)
		}
		if err := f.Add(c.name, []byte(c.raw)); err == nil || f.Len() != 1 {
			t.Errorf("Add(%q, %q): error %v, %d fields", c.name, c.raw, err, f.Len())
		}
	}
}

func TestNamesOfProjects(t *testing.T) {
	for name, good := range map[string]bool{
		"main": true, "A-Z_0.9": true, ".": true, strings.Repeat("n", protocol.MaxProject): true, strings.Repeat("n", protocol.MaxProject+1): false,
		"": false, "a b": false, " a": false, "a/b": false, "ä": false, "a\xff": false, "a,b": false, "a%b": false, "a\nb": false, "a\n": false, "a=b": false,
	} {
		if protocol.IsProject(name) != good {
			t.Errorf("%q: want good: %v", name, good)
		}
	}
}

func TestWhatMayBeAskedAbout(t *testing.T) {
	for text, verbs := range map[string]string{
		"aa.bb-_.C9": "VERIFY PROFILE LOGOUT", strings.Repeat("x", protocol.MaxToken): "VERIFY PROFILE LOGOUT",
		"aa.b+/%=": "VERIFY PROFILE", "a~b": "VERIFY PROFILE", "a%2B": "VERIFY PROFILE", "=a": "VERIFY PROFILE", "A=": "VERIFY PROFILE",
		"": "", strings.Repeat("x", protocol.MaxToken+1): "", "a b": "", "a\n": "", "a,b": "", "a:b": "", "ä": "", "a\xff": "", "max-age=": "", "a=b": "",
	} {
		for _, verb := range []protocol.Verb{protocol.VERIFY, protocol.PROFILE, protocol.LOGOUT} {
			if want := slices.Contains(strings.Fields(verbs), string(verb)); protocol.IsToken(verb, text) != want {
				t.Errorf("%s of %.20q: want %v", verb, text, want)
			}
		}
	}
}
