package nginxcheck

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/neonauthd/neonauthd/internal/foreign"
)

// Limits of what check-nginx reads.
const (
	maxFile  = 4 << 20
	maxFiles = 1000
	maxDepth = 32
)

// directive is a directive of nginx, with its block if it has one.
type directive struct {
	name   string
	args   []string
	block  []*directive
	opens  bool
	parent *directive // nil at the top
	file   string
	line   int
	exprs  expressions
}

// expressions are the regular expressions of a configuration, by their text.
// Each is compiled at its first use; nil stands for one that Go cannot compile.
type expressions map[string]*regexp.Regexp

// matches applies the pattern after "~"; a "*" at its beginning ignores case. A
// pattern that Go cannot compile, for example one with a lookahead, matches
// nothing.
func (x expressions) matches(pattern, text string) bool {
	compiled, known := x[pattern]
	if !known {
		source := pattern
		if insensitive, ok := strings.CutPrefix(pattern, "*"); ok {
			source = "(?i)" + insensitive
		}
		compiled, _ = regexp.Compile(source) // nil with an error
		x[pattern] = compiled
	}
	if compiled == nil {
		return false
	}
	// In PCRE, "$" also matches before a line feed at the end of the text.
	return compiled.MatchString(text) || strings.HasSuffix(text, "\n") && compiled.MatchString(text[:len(text)-1])
}

// is reports whether the directive has this name and these first arguments.
func (d *directive) is(name string, args ...string) bool {
	if d.name != name || len(d.args) < len(args) {
		return false
	}
	for i, a := range args {
		if d.args[i] != a {
			return false
		}
	}
	return true
}

func (d *directive) place() string { return fmt.Sprintf("%s:%d", d.file, d.line) }

// find returns the directives with a name in the block itself.
func (d *directive) find(name string) []*directive {
	var all []*directive
	for _, c := range d.block {
		if c.name == name {
			all = append(all, c)
		}
	}
	return all
}

// inherited returns the directives with a name that are in force in d: those of
// the innermost block that has any, which is nginx's rule.
func (d *directive) inherited(name string) []*directive {
	for b := d; b != nil; b = b.parent {
		if all := b.find(name); len(all) > 0 {
			return all
		}
	}
	return nil
}

// walk calls visit with d and everything below it.
func (d *directive) walk(visit func(*directive)) {
	visit(d)
	for _, c := range d.block {
		c.walk(visit)
	}
}

// reader reads a configuration with its includes.
type reader struct {
	base  string // the folder of nginx.conf, from which includes are relative
	files int
}

// read reads a configuration file and its includes, which are relative to base.
// The result is a block without a name.
func read(path, base string) (*directive, error) {
	r := &reader{base: base}
	top := &directive{opens: true, file: path, exprs: expressions{}}
	err := r.file(path, top, 0)
	return top, err
}

func (r *reader) file(path string, into *directive, depth int) error {
	if r.files++; r.files > maxFiles || depth > maxDepth {
		return fmt.Errorf("%s: too many files, or they include each other", path)
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Size() > maxFile {
		return fmt.Errorf("%s: longer than %d bytes", path, maxFile)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return r.text(path, string(text), into, depth)
}

// text parses the text of a file.
func (r *reader) text(path, text string, into *directive, depth int) error {
	p := &parser{lexer: lexer{text: text, line: 1}, file: path}
	if err := p.directives(into, r, depth, false); err != nil {
		return fmt.Errorf("%s:%d: %w", path, p.line, err)
	}
	return nil
}

// include reads the files of an include directive into its place.
func (r *reader) include(d, into *directive, depth int) error {
	if len(d.args) != 1 {
		return errors.New("include takes one argument")
	}
	pattern := d.args[0]
	if !filepath.IsAbs(pattern) {
		pattern = filepath.Join(r.base, pattern)
	}
	found, err := filepath.Glob(pattern)
	if err != nil {
		return err
	}
	if len(found) == 0 && !strings.ContainsAny(pattern, "*?[") {
		return fmt.Errorf("included file %s does not exist", pattern)
	}
	for _, path := range found {
		if err := r.file(path, into, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// parser makes directives of words.
type parser struct {
	lexer
	file string
}

// directives reads the directives of a block, up to its brace or the end of the
// file.
func (p *parser) directives(into *directive, r *reader, depth int, braced bool) error {
	if depth > maxDepth {
		return errors.New("nested too deeply")
	}
	for {
		d := &directive{parent: into, file: p.file, exprs: into.exprs}
		end, err := p.words(d)
		switch {
		case err != nil:
			return err
		case end == 0 && d.line == 0:
			if braced {
				return errors.New("a block is not closed")
			}
			return nil
		case end == 0:
			return fmt.Errorf("%s has no end", foreign.Quoted(d.name, maxShown))
		case end == '}':
			if d.line != 0 || !braced {
				return errors.New(`unexpected "}"`)
			}
			return nil
		case d.line == 0:
			return errors.New("a directive without a name")
		}
		if end == '{' {
			d.opens = true
			if strings.HasSuffix(d.name, "_by_lua_block") {
				err = p.skipBlock()
			} else {
				err = p.directives(d, r, depth+1, true)
			}
		} else if d.name == "include" {
			err = r.include(d, into, depth)
		}
		if err != nil {
			return err
		}
		into.block = append(into.block, d)
	}
}

// words reads a directive's words and returns what ended it: ; { } or 0 for the
// end of the file.
func (p *parser) words(d *directive) (byte, error) {
	for {
		word, quoted, end, err := p.next()
		if err != nil || end != 0 {
			return end, err
		}
		if word == "" && !quoted {
			return 0, nil
		}
		if d.line == 0 {
			d.name, d.line = word, p.line
		} else {
			d.args = append(d.args, word)
		}
	}
}

// maxShown bounds how much of a foreign text a message repeats, in bytes.
const maxShown = 40
