package foreign

import (
	"strings"
	"testing"
)

func TestTextIsCutBetweenCharacters(t *testing.T) {
	for _, c := range []struct {
		text string
		most int
		want string
	}{
		{"", 0, ""}, {"", 4, ""}, {"a", 0, "..."},
		{"abc", 4, "abc"}, {"abcd", 4, "abcd"}, {"abcde", 4, "abcd..."},
		{"éé", 4, "éé"}, {"éé", 3, "é..."}, {"éé", 2, "é..."}, {"éé", 1, "..."}, {"éé", 0, "..."},
		{"a€b", 4, "a€..."}, {"a€b", 3, "a..."}, {"a€b", 2, "a..."},
		{"ab𝄞c", 6, "ab𝄞..."}, {"ab𝄞c", 5, "ab..."}, {"ab𝄞c", 4, "ab..."}, {"ab𝄞c", 3, "ab..."},
		{"abc\xff\xff", 4, "abc\xff..."},
		{"a\x80\x80\x80\x80\x80\x80", 6, "a\x80\x80\x80\x80\x80..."}, // not UTF-8
		{"\x80\x80\x80", 2, "..."},
	} {
		if got := Cut(c.text, c.most); got != c.want {
			t.Errorf("%q to %d bytes: %q, want %q", c.text, c.most, got, c.want)
		}
	}
}

func TestQuotedTextIsVisibleASCII(t *testing.T) {
	if got := Quoted("a\x1b[31m\n\u202eé\"\\", 64); got != `"a\x1b[31m\n\u202e\u00e9\"\\"` {
		t.Error(got)
	}
	if got := Quoted(strings.Repeat("é", 10), 5); got != `"\u00e9\u00e9..."` {
		t.Error(got)
	}
}
