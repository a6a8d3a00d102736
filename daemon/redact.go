package daemon

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

// fieldPath names a member of an object by the member names that lead to it.
type fieldPath []string

// without returns the JSON object in body less the members that paths name. A
// body it cannot walk, which a validated profile never is, becomes an empty
// object: what might have to be withheld is not given.
func without(body []byte, paths []fieldPath) []byte {
	d := jsontext.NewDecoder(bytes.NewReader(body))
	var out bytes.Buffer
	out.Grow(len(body))
	e := jsontext.NewEncoder(&out, jsontext.Multiline(false), jsontext.PreserveRawStrings(true))
	if err := copyValue(d, e, paths); err != nil {
		return []byte("{}")
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}

// copyValue copies the next value, dropping what paths name within it. Arrays
// are walked through: a path means the member in each of their elements.
func copyValue(d *jsontext.Decoder, e *jsontext.Encoder, paths []fieldPath) error {
	kind := d.PeekKind()
	if len(paths) == 0 || kind != '{' && kind != '[' {
		value, err := d.ReadValue()
		if err != nil {
			return err
		}
		return e.WriteValue(value)
	}
	if err := copyToken(d, e); err != nil {
		return err
	}
	for d.PeekKind() != '}' && d.PeekKind() != ']' {
		below := paths
		if kind == '{' {
			spelled, err := d.ReadValue()
			if err != nil {
				return err
			}
			name, err := jsontext.AppendUnquote(nil, spelled)
			if err != nil {
				return err
			}
			var drop bool
			if below, drop = descend(paths, string(name)); drop {
				if err := d.SkipValue(); err != nil {
					return err
				}
				continue
			}
			if err := e.WriteValue(spelled); err != nil {
				return err
			}
		}
		if err := copyValue(d, e, below); err != nil {
			return err
		}
	}
	return copyToken(d, e)
}

func copyToken(d *jsontext.Decoder, e *jsontext.Encoder) error {
	token, err := d.ReadToken()
	if err != nil {
		return err
	}
	return e.WriteToken(token)
}

// descend returns the paths that go on below the member name, or that one of
// them ends there.
func descend(paths []fieldPath, name string) (below []fieldPath, drop bool) {
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
