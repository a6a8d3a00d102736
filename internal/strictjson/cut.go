package strictjson

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

// Path names a member of an object by the member names that lead to it.
type Path []string

// Without returns the object without the members that paths name. The rest does not change.
// The object has to be compact, as Line makes it. For an array, a path names the member in
// each element. If the text cannot be read to its end, Without returns an empty object, so
// that nothing is given that has to be withheld.
func Without(object []byte, paths []Path) []byte {
	c := cutter{d: decoder(object), text: object, out: make([]byte, 0, len(object))}
	if err := c.value(paths); err != nil {
		return []byte("{}")
	}
	return c.out
}

// cutter copies text, leaving out members.
type cutter struct {
	d    *jsontext.Decoder
	text []byte
	out  []byte
}

// value copies the next value without the members that paths name in it.
func (c *cutter) value(paths []Path) error {
	k := c.d.PeekKind()
	if len(paths) == 0 || k != '{' && k != '[' {
		from := c.d.InputOffset()
		if err := c.d.SkipValue(); err != nil {
			return err
		}
		c.out = append(c.out, bytes.TrimLeft(c.text[from:c.d.InputOffset()], ":, \t\r\n")...)
		return nil
	}
	if _, err := c.d.ReadToken(); err != nil {
		return err
	}
	c.out = append(c.out, byte(k))
	for kept := 0; c.d.PeekKind() != '}' && c.d.PeekKind() != ']'; {
		below, drop := paths, false
		var spelled Value
		if k == '{' {
			raw, err := c.d.ReadValue()
			if err != nil {
				return err
			}
			spelled = raw
			name, _ := Text(raw)
			below, drop = descend(paths, name)
		}
		if drop {
			if err := c.d.SkipValue(); err != nil {
				return err
			}
			continue
		}
		if kept++; kept > 1 {
			c.out = append(c.out, ',')
		}
		if spelled != nil {
			c.out = append(append(c.out, spelled...), ':')
		}
		if err := c.value(below); err != nil {
			return err
		}
	}
	end, err := c.d.ReadToken()
	if err != nil {
		return err
	}
	c.out = append(c.out, byte(end.Kind()))
	return nil
}

// descend returns the rest of the paths that go through the member name. drop is true if
// one of the paths ends there.
func descend(paths []Path, name string) (below []Path, drop bool) {
	for _, p := range paths {
		if p[0] != name {
			continue
		}
		if len(p) == 1 {
			return nil, true
		}
		below = append(below, p[1:])
	}
	return below, false
}
