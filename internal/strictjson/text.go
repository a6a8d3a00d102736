package strictjson

import (
	"bytes"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"
)

// Value is the text of one JSON value. Its Kind is the first byte: '{', '[',
// '"', 't', 'f', 'n', and '0' for every number.
type Value = jsontext.Value

// Kind is the kind of a Value.
type Kind = jsontext.Kind

// Text returns what a JSON string says. It is exact unless the value is no
// string, when the text is empty, or has half a surrogate pair in it, in whose
// place U+FFFD stands.
func Text(value Value) (text string, exact bool) {
	if value.Kind() != '"' {
		return "", false
	}
	if inner := value[1 : len(value)-1]; bytes.IndexByte(inner, '\\') < 0 {
		return string(inner), true
	}
	out, exact := appendText(nil, value)
	return string(out), exact
}

// Identifier returns a string by which somebody or something is told from
// others. It has to be exact and free of control characters, which would let
// one name pass for another wherever it is printed.
func Identifier(value Value) (id string, ok bool) {
	id, ok = Text(value)
	if !ok {
		return "", false
	}
	for _, r := range id {
		if unicode.IsControl(r) {
			return "", false
		}
	}
	return id, true
}

// appendText appends what a JSON string says to dst, or returns a part of the
// value if that says it already.
func appendText(dst []byte, value Value) (text []byte, exact bool) {
	inner := value[1 : len(value)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return inner, true
	}
	out, err := jsontext.AppendUnquote(dst, value)
	return out, err == nil
}

// hasControl tells whether the text has a character below U+0020. Raw ones
// cannot stand in JSON, escaped ones can.
func hasControl(text []byte) bool {
	for _, c := range text {
		if c < ' ' {
			return true
		}
	}
	return false
}
