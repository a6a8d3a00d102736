package dialogue

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// Play plays the dialogue over a fresh connection, substituting values for placeholders. It returns the first
// difference as an error that names the line of the description; the error shows what the daemon sent, so the values
// should be made for tests. Play neither sets deadlines nor closes conn; for half-close conn needs a method
// CloseWrite() error, as *net.UnixConn has.
func (d Dialogue) Play(conn io.ReadWriter, values map[string]string) error {
	p := player{conn: conn, in: bufio.NewReader(conn), values: values}
	for i := 0; i < len(d.Steps); {
		n := d.together(i)
		if err := p.play(d.Steps[i : i+n]); err != nil {
			return fmt.Errorf("%s, line %d: %w", d.Title, d.Steps[i].Line, err)
		}
		i += n
	}
	return nil
}

// together returns how many steps from step i on are one group.
func (d Dialogue) together(i int) int {
	n := 1
	for d.Steps[i].Group != 0 && i+n < len(d.Steps) && d.Steps[i+n].Group == d.Steps[i].Group {
		n++
	}
	return n
}

type player struct {
	conn   io.ReadWriter
	in     *bufio.Reader
	values map[string]string
}

// play plays one step, or a group of expectations.
func (p *player) play(steps []Step) error {
	switch steps[0].Kind {
	case Send:
		text, err := p.fillIn(steps[0].Text, nil)
		if err != nil {
			return err
		}
		if _, err := io.WriteString(p.conn, text); err != nil {
			return fmt.Errorf("send: %w", err)
		}
		return nil
	case HalfClose:
		half, ok := p.conn.(interface{ CloseWrite() error })
		if !ok {
			return errors.New("the connection cannot be closed half")
		}
		return half.CloseWrite()
	case Close:
		line, err := p.in.ReadString('\n')
		if err == io.EOF && line == "" {
			return nil
		}
		if err != nil {
			return fmt.Errorf("expected the end, got %q and %w", line, err)
		}
		return fmt.Errorf("expected the end, got %q", line)
	default:
		return p.expect(steps)
	}
}

// expect reads as many lines as there are steps, and strikes off the first step that each fits.
func (p *player) expect(steps []Step) error {
	wanted, err := p.patterns(steps)
	if err != nil {
		return err
	}
	for len(wanted) > 0 {
		line, err := p.in.ReadString('\n')
		if err != nil {
			return fmt.Errorf("expected %s, got %q and %w", alternatives(wanted), line, err)
		}
		line = strings.TrimSuffix(line, "\n")
		found := -1
		for i, re := range wanted {
			if found < 0 && re.MatchString(line) {
				found = i
			}
		}
		if found < 0 {
			return fmt.Errorf("expected %s, got %q", alternatives(wanted), line)
		}
		wanted = append(wanted[:found], wanted[found+1:]...)
	}
	return nil
}

func (p *player) patterns(steps []Step) ([]*regexp.Regexp, error) {
	var patterns []*regexp.Regexp
	for _, step := range steps {
		text, err := p.fillIn(step.Text, regexp.QuoteMeta)
		if step.Kind == Expect {
			text, err = p.fillIn(step.Text, nil)
			text = regexp.QuoteMeta(text)
		}
		if err != nil {
			return nil, err
		}
		re, err := regexp.Compile(`\A(?s:` + text + `)\z`)
		if err != nil {
			return nil, fmt.Errorf("pattern: %w", err)
		}
		patterns = append(patterns, re)
	}
	return patterns, nil
}

// fillIn replaces the placeholders in text, each value passed through quote unless that is nil.
func (p *player) fillIn(text string, quote func(string) string) (string, error) {
	var missing error
	filled := placeholders().ReplaceAllStringFunc(text, func(name string) string {
		value, ok := p.values[name[1:]]
		if !ok {
			missing = fmt.Errorf("no value for %s", name)
		}
		if quote != nil {
			return quote(value)
		}
		return value
	})
	return filled, missing
}

// Placeholders returns the names, without "$", of the values that the dialogue needs, each once, in their order.
func (d Dialogue) Placeholders() []string {
	var names []string
	seen := map[string]bool{}
	for _, step := range d.Steps {
		for _, name := range placeholders().FindAllString(step.Text, -1) {
			if !seen[name] {
				seen[name] = true
				names = append(names, name[1:])
			}
		}
	}
	return names
}

func placeholders() *regexp.Regexp { return regexp.MustCompile(`\$[A-Z][A-Z0-9_]*`) }

// alternatives prints patterns for an error.
func alternatives(patterns []*regexp.Regexp) string {
	var texts []string
	for _, re := range patterns {
		text := strings.TrimSuffix(strings.TrimPrefix(re.String(), `\A(?s:`), `)\z`)
		texts = append(texts, fmt.Sprintf("%q", text))
	}
	return strings.Join(texts, " or ")
}
