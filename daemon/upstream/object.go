package upstream

import (
	"bytes"
	"errors"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// maxDepth bounds the nesting of JSON that is accepted from the upstream.
const maxDepth = 64

// errNotObject is all that is told about a body that is not what it should be.
var errNotObject = errors.New("not one proper JSON object")

// object is a JSON object read strictly: alone in its text, valid UTF-8, no repeated names at any level, bounded in
// depth. Its text is compact and has no control byte, so it fits on one line.
type object struct{ compact []byte }

// readObject reads body. Values keep the very characters they were sent with; only blanks between them are dropped,
// and a raw DEL inside a string becomes its escape.
func readObject(body []byte) (object, error) {
	if tooDeep(body) {
		return object{}, errNotObject
	}
	compact, err := jsontext.AppendFormat(nil, body, jsontext.PreserveRawStrings(true))
	if err != nil || len(compact) == 0 || compact[0] != '{' {
		return object{}, errNotObject
	}
	// JSON forbids raw control characters in strings, except this one.
	if bytes.IndexByte(compact, 0x7f) >= 0 {
		compact = bytes.ReplaceAll(compact, []byte{0x7f}, []byte(`\u007f`))
	}
	return object{compact}, nil
}

// isNull reports whether body is the JSON value null and nothing else but blanks.
func isNull(body []byte) bool {
	return string(bytes.Trim(body, " \t\r\n")) == "null"
}

// tooDeep reports whether text nests deeper than maxDepth. Of what is not JSON it may say anything.
func tooDeep(text []byte) bool {
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// member returns the raw value of a member of the object itself, nil if there is none. It is a copy.
func (o object) member(name string) jsontext.Value {
	// Strictness was readObject's; looking for repeated names again would only cost time.
	d := jsontext.NewDecoder(bytes.NewReader(o.compact), jsontext.AllowDuplicateNames(true))
	if _, err := d.ReadToken(); err != nil {
		return nil
	}
	for d.PeekKind() == '"' {
		token, err := d.ReadToken()
		if err != nil {
			return nil
		}
		if token.String() == name {
			value, err := d.ReadValue()
			if err != nil {
				return nil
			}
			return slices.Clone(value)
		}
		if d.SkipValue() != nil {
			return nil
		}
	}
	return nil
}

// inner returns a member that is itself an object.
func (o object) inner(name string) (object, bool) {
	value := o.member(name)
	return object{value}, value.Kind() == '{'
}

// text returns a member that is a string; empty if there is none.
func (o object) text(name string) string {
	value := o.member(name)
	if value.Kind() != '"' {
		return ""
	}
	plain, err := jsontext.AppendUnquote(nil, value)
	if err != nil {
		return ""
	}
	return string(plain)
}

// flag returns a member that is true or false. Absent and null are false; anything else is not ok.
func (o object) flag(name string) (set, ok bool) {
	switch o.member(name).Kind() {
	case 't':
		return true, true
	case 'f', 'n', jsontext.KindInvalid:
		return false, true
	}
	return false, false
}

// identifier returns a member that identifies somebody: a string of 1 to 255 bytes without control characters.
func (o object) identifier(name string) (id string, ok bool) {
	id = o.text(name)
	if id == "" || len(id) > 255 {
		return "", false
	}
	for _, r := range id {
		if r < ' ' || 0x7f <= r && r < 0xa0 {
			return "", false
		}
	}
	return id, true
}
