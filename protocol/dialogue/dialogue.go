// Package dialogue reads and plays the dialogues in a protocol description: fenced blocks that show line by line what a
// client sends and what the daemon answers. A test that plays them against a real socket keeps the description true.
//
// A block's info string is "dialogue", or "dialogue admin" for the admin socket. Each of its lines is one step:
//
//	-> line      send line and a LF
//	=> "bytes"   send the bytes of this double-quoted Go string, and nothing else
//	<- line      expect exactly this line
//	<~ regexp    expect a line that the whole of this regular expression (RE2) matches
//	any order    the expected lines that follow, up to the next other step, may come in any order
//	in order     ends "any order"
//	half-close   send nothing more, and keep reading
//	close        expect the end of the stream
//	# text       a remark
//
// Empty lines mean nothing. $NAME (an upper-case letter, then upper-case letters, digits and "_") stands for a value
// that the caller of Play supplies; in a regular expression it is quoted.
package dialogue

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Dialogue is one block.
type Dialogue struct {
	Title string // the heading above the block, with a running number if it has several
	Line  int    // of the opening fence, counted from 1
	Admin bool   // to be played on the admin socket
	Steps []Step
}

// Kind says what a step does. The zero value is not a kind.
type Kind uint8

// The kinds of step.
const (
	Send      Kind = iota + 1 // write Text as it is; a LF of a "->" line is part of it
	Expect                    // read a line that equals Text
	Match                     // read a line that the regular expression Text matches as a whole
	HalfClose                 // end the writing side
	Close                     // read the end of the stream
)

// Step is one line of a dialogue.
type Step struct {
	Kind  Kind
	Text  string // placeholders and all
	Group int    // expectations with the same number other than 0 may come in any order
	Line  int    // in the file, counted from 1
}

// Dialogues returns the dialogues of a Markdown text, in their order. It fails when there are none, so that a test
// over them cannot pass by reading the wrong file, and when a block has a line that is no step.
func Dialogues(markdown []byte) ([]Dialogue, error) {
	p := parser{titles: map[string]int{}}
	for i, line := range strings.Split(string(markdown), "\n") {
		if err := p.line(i+1, line); err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	if p.open {
		return nil, fmt.Errorf("line %d: the block is not closed", p.start)
	}
	if len(p.done) == 0 {
		return nil, errors.New("no dialogue in the text")
	}
	return p.done, nil
}

// parser is the state between two lines of Markdown.
type parser struct {
	done   []Dialogue
	titles map[string]int // how many dialogues each heading has
	title  string
	open   bool // inside a fenced block
	start  int  // its first line
	block  *Dialogue
	groups int
	order  int // number of the open group, 0 when there is none
}

func (p *parser) line(n int, line string) error {
	info, fence := strings.CutPrefix(line, "```")
	switch {
	case fence && p.open:
		return p.closeBlock(info)
	case fence:
		p.open, p.start = true, n
		return p.openBlock(n, info)
	case p.block != nil:
		return p.step(n, line)
	case !p.open && strings.HasPrefix(line, "#"):
		p.title = strings.TrimSpace(strings.TrimLeft(line, "#"))
	}
	return nil
}

func (p *parser) openBlock(n int, info string) error {
	words := strings.Fields(info)
	if len(words) == 0 || words[0] != "dialogue" {
		return nil
	}
	if len(words) > 2 || len(words) == 2 && words[1] != "admin" {
		return errors.New(`a dialogue may be marked "admin" and nothing else`)
	}
	title := p.title
	p.titles[title]++
	if p.titles[title] > 1 {
		title = fmt.Sprintf("%s %d", title, p.titles[title])
	}
	p.block = &Dialogue{Title: title, Line: n, Admin: len(words) == 2}
	p.order = 0
	return nil
}

func (p *parser) closeBlock(info string) error {
	if strings.TrimSpace(info) != "" {
		return errors.New("a block inside a block")
	}
	p.open = false
	if p.block == nil {
		return nil
	}
	block := *p.block
	p.block = nil
	if len(block.Steps) == 0 {
		return errors.New("a dialogue without a step")
	}
	p.done = append(p.done, block)
	return nil
}

func (p *parser) step(n int, line string) error {
	if line == "" || strings.HasPrefix(line, "#") {
		return nil
	}
	switch line {
	case "any order":
		p.groups++
		p.order = p.groups
		return nil
	case "in order":
		p.order = 0
		return nil
	}
	step, err := parseStep(line)
	if err != nil {
		return err
	}
	step.Line = n
	if step.Kind != Expect && step.Kind != Match {
		p.order = 0
	}
	step.Group = p.order
	p.block.Steps = append(p.block.Steps, step)
	return nil
}

func parseStep(line string) (Step, error) {
	mark, text, spaced := strings.Cut(line, " ")
	switch {
	case line == "half-close":
		return Step{Kind: HalfClose}, nil
	case line == "close":
		return Step{Kind: Close}, nil
	case !spaced:
	case mark == "->":
		return Step{Kind: Send, Text: text + "\n"}, nil
	case mark == "=>":
		if !strings.HasPrefix(text, `"`) {
			return Step{}, errors.New("=> takes a double-quoted string")
		}
		bytes, err := strconv.Unquote(text)
		if err != nil {
			return Step{}, errors.New("=> takes a double-quoted string")
		}
		return Step{Kind: Send, Text: bytes}, nil
	case mark == "<-":
		return Step{Kind: Expect, Text: text}, nil
	case mark == "<~":
		if _, err := regexp.Compile(text); err != nil {
			return Step{}, fmt.Errorf("pattern: %w", err)
		}
		return Step{Kind: Match, Text: text}, nil
	}
	return Step{}, errors.New("not a step of a dialogue")
}

// Verbs returns the verbs that the dialogue sends, each once, in their order. Words that have the shape of a verb but
// are not in the protocol are included.
func (d Dialogue) Verbs() []string {
	var verbs []string
	seen := map[string]bool{}
	for _, step := range d.Steps {
		if step.Kind != Send {
			continue
		}
		for _, line := range strings.Split(step.Text, "\n") {
			verb := verbOf(line)
			if verb != "" && !seen[verb] {
				seen[verb] = true
				verbs = append(verbs, verb)
			}
		}
	}
	return verbs
}

func verbOf(line string) string {
	if strings.HasPrefix(line, "@") {
		_, line, _ = strings.Cut(line, " ")
	}
	verb, _, _ := strings.Cut(line, " ")
	if bytes.ContainsFunc([]byte(verb), func(r rune) bool { return r < 'A' || r > 'Z' }) {
		return ""
	}
	return verb
}
