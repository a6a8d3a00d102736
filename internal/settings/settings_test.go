package settings

import (
	"errors"
	"strings"
	"testing"
)

// size is a value with an error text of its own.
type size int

func (size) Wants() string { return `a size such as "3B"` }

func (s *size) UnmarshalText(text []byte) error {
	if string(text) != "3B" {
		return errors.New("must be " + s.Wants())
	}
	*s = 3
	return nil
}

type file struct {
	Socket string `toml:"socket"`
	Level  size   `toml:"level"`
	Limits struct {
		Connections int  `toml:"connections"`
		Size        size `toml:"size"`
	} `toml:"limits"`
	Projects []struct {
		Name    string   `toml:"name"`
		Issuers []string `toml:"issuers"`
		Rate    float64  `toml:"rate"`
		On      bool     `toml:"on"`
		UID     *uint32  `toml:"uid"`
		Size    size     `toml:"size"`
	} `toml:"project"`
	Dir string `toml:"-"`
}

// TestEachFaultNamesItsPlaceAndWhatWouldBeRight, and names none of the
// program's types.
func TestEachFaultNamesItsPlaceAndWhatWouldBeRight(t *testing.T) {
	for text, want := range map[string]string{
		"":                   "",
		"\ufeffsocket = 'a'": "",
		"[limits]\nconnections = 3\nsize = '3B'\n[[project]]\nname = 'a'\nuid = 3": "",

		"sokcet = 'a'":                    `line 1, column 1: unknown key "sokcet"; did you mean "socket"?`,
		"-=1\nDir = 'a'":                  "line 1, column 1: unknown key \"-\"; see manual(5) for the list\nline 2, column 1: unknown key \"Dir\"; see manual(5) for the list",
		"connections = 3":                 `line 1, column 1: unknown key "connections"; it belongs under [limits]`,
		"issuers = ['a']":                 `line 1, column 1: unknown key "issuers"; it belongs under [[project]]`,
		"[limits]\nsocket = 'a'":          `line 2, column 1: unknown key "limits.socket"; it belongs before the first table`,
		"[[projects]]\nname='a'":          `line 1, column 3: unknown key "projects"; did you mean "project"?`,
		"[[project]]\nisuers=[]":          `line 2, column 1: unknown key "project.isuers"; did you mean "issuers"?`,
		"colour = 'red'":                  `line 1, column 1: unknown key "colour"; see manual(5) for the list`,
		"[a.b]\nc=1":                      `line 1, column 2: unknown key "a.b"; see manual(5) for the list`,
		"socket = 3":                      "line 1, column 10: socket: must be a text in quotes",
		"limits = 3":                      "line 1, column 10: limits: must be a table: [limits], once, and its keys below",
		"[[limits]]":                      "line 1, column 3: limits: must be a table: [limits], once, and its keys below",
		"project = 3":                     "line 1, column 11: project: must be a table with two brackets: [[project]], and its keys below",
		"limits.connections='3'":          "line 1, column 20: limits.connections: must be a whole number, without quotes",
		"[limits]\nsize='4B'":             `line 2, column 6: limits.size: must be a size such as "3B"`,
		"[limits]\nsize=3":                `line 2, column 1: limits.size: must be in quotes: a size such as "3B"`,
		"[limits]\nsize=nan":              `line 2, column 1: limits.size: must be in quotes: a size such as "3B"`,
		"\n limits . 'size' = 2020-01-01": `line 2, column 2: limits.size: must be in quotes: a size such as "3B"`,
		// The decoder does not tell where the keys of a table in braces are, nor in which table.
		"level = 3\nlimits = { size = 3, level = '3B' }": `level: must be in quotes: a size such as "3B"` + "\n" + `limits.size: must be in quotes: a size such as "3B"`,
		"limits = { size = 3 }":                          `limits.size: must be in quotes: a size such as "3B"`,
		"[limits]\nsize=['3B']":                          `line 2, column 6: limits.size: must be a size such as "3B"`,
		"[[project]]\nsize=true":                         `line 2, column 1: project 1: size: must be in quotes: a size such as "3B"`,
		"[[project]]\nsize=1\nname='a\u00e9'\n[limits]\nsize='3B'\n[[project]]\nsize='3B'\n[[project]]\n[[project]]\non=1\nsize=0\nsise='3B'": "line 2, column 1: project \"a\\u00e9\": size: must be in quotes: a size such as \"3B\"\n" +
			"line 11, column 1: project 4: size: must be in quotes: a size such as \"3B\"",
		"project = [{ size = 3 }, { name = 'b', size = 4 }]": "project 1: size: must be in quotes: a size such as \"3B\"\n" +
			"project \"b\": size: must be in quotes: a size such as \"3B\"",
		"[[project]]\nissuers=''":       `line 2, column 9: project.issuers: must be a list of texts, such as ["a", "b"]`,
		"[[project]]\nissuers=[3]":      `line 2, column 10: project.issuers: must be a list of texts, such as ["a", "b"]`,
		"[[project]]\nrate='3'":         "line 2, column 6: project.rate: must be a number, without quotes",
		"[[project]]\non=1":             "line 2, column 4: project.on: must be true or false, without quotes",
		"[[project]]\nuid=-1":           "line 2, column 5: project.uid: must be a number from 0 to 4294967295, without quotes",
		"[[project]]\nuid='root'":       "line 2, column 5: project.uid: must be a number from 0 to 4294967295, without quotes",
		"socket = 'a'\nsocket='b'":      "line 2, column 1: key socket is already defined",
		"socket = ":                     "line 1, column 9: expected value, not end of input",
		"socket = /run/x # y":           "line 1, column 10: socket: a text must be in quotes",
		"on = 1\nlevel = info\n":        "line 2, column 9: level: a text must be in quotes",
		"socket = true false":           "line 1, column 10: socket: a text must be in quotes",
		"socket = [a":                   "line 1, column 11: unexpected character U+0061 'a' at start of value",
		"socket /run/x":                 "line 1, column 8: expected '=' after key",
		strings.Repeat("k", 200) + "=1": `line 1, column 1: unknown key "` + strings.Repeat("k", 128) + `..."; see manual(5) for the list`,
	} {
		var into file
		err := Decode([]byte(text), &into, "manual(5)")
		if want == "" && err != nil || want != "" && (err == nil || err.Error() != want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}
