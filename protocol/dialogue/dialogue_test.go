package dialogue_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/protocol/dialogue"
)

// block makes a Markdown text with one dialogue of the given lines.
func block(lines ...string) []byte {
	return []byte("# Title\n\n```dialogue\n" + strings.Join(lines, "\n") + "\n```\n")
}

func TestBlocksAreReadLineByLine(t *testing.T) {
	text := strings.Join([]string{
		"# Top", "", "```", "-> not a dialogue", "```", "",
		"## First", "```dialogue", "# remark", "-> PING a  b", "", "<- OK", "=> \"x\\r\\n\"", "<~ E.*", "half-close", "close", "```",
		"```dialogue admin", "any order", "<- a", "<~ b", "in order", "<- c", "any order", "<- d", "-> E", "<- f", "```",
		"## Second", "```go", "## not a heading", "```", "```dialogue", "close", "```",
	}, "\n")
	got, err := dialogue.Dialogues([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	want := []dialogue.Dialogue{
		{Title: "First", Line: 8, Steps: []dialogue.Step{
			{Kind: dialogue.Send, Text: "PING a  b\n", Line: 10},
			{Kind: dialogue.Expect, Text: "OK", Line: 12},
			{Kind: dialogue.Send, Text: "x\r\n", Line: 13},
			{Kind: dialogue.Match, Text: "E.*", Line: 14},
			{Kind: dialogue.HalfClose, Line: 15},
			{Kind: dialogue.Close, Line: 16},
		}},
		{Title: "First 2", Line: 18, Admin: true, Steps: []dialogue.Step{
			{Kind: dialogue.Expect, Text: "a", Group: 1, Line: 20},
			{Kind: dialogue.Match, Text: "b", Group: 1, Line: 21},
			{Kind: dialogue.Expect, Text: "c", Line: 23},
			{Kind: dialogue.Expect, Text: "d", Group: 2, Line: 25},
			{Kind: dialogue.Send, Text: "E\n", Line: 26},
			{Kind: dialogue.Expect, Text: "f", Line: 27},
		}},
		{Title: "Second", Line: 33, Steps: []dialogue.Step{{Kind: dialogue.Close, Line: 34}}},
	}
	if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
}

func TestTextThatIsNoDescriptionIsRefused(t *testing.T) {
	for name, text := range map[string][]byte{
		"empty":            nil,
		"no block":         []byte("# Title\n-> PING\n"),
		"only other block": []byte("```go\npackage x\n```\n"),
		"not closed":       []byte("```dialogue\n-> PING\n"),
		"block in a block": []byte("```dialogue\n-> PING\n```dialogue\n```\n"),
		"no step":          block("# only a remark"),
		"no mark":          block("PING"),
		"mark without":     block("->"),
		"unknown mark":     block("<* OK"),
		"indented":         block(" -> PING"),
		"not a string":     block("=> PING"),
		"raw string":       block("=> `PING`"),
		"string and more":  block(`=> "PING" x`),
		"broken pattern":   block("<~ OK ("),
		"close with text":  block("close now"),
		"unknown marking":  []byte("```dialogue later\n-> PING\n```\n"),
	} {
		if got, err := dialogue.Dialogues(text); err == nil || got != nil {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	_, err := dialogue.Dialogues(block("-> PING", "PONG"))
	if err == nil || !strings.Contains(err.Error(), "line 5") {
		t.Errorf("the error does not name the line: %v", err)
	}
}

func TestDialogueTellsWhatItNeeds(t *testing.T) {
	got, err := dialogue.Dialogues(block(
		"-> VERIFY $VALID", "<~ OK sub=$SUBJECT .*$", `=> "@a PING\n@b VERIFY $VALID$LONG_2\nno verb\n"`, "<- $"))
	if err != nil {
		t.Fatal(err)
	}
	if verbs := got[0].Verbs(); !slices.Equal(verbs, []string{"VERIFY", "PING"}) {
		t.Errorf("verbs %q", verbs)
	}
	if names := got[0].Placeholders(); !slices.Equal(names, []string{"VALID", "SUBJECT", "LONG_2"}) {
		t.Errorf("placeholders %q", names)
	}
}
