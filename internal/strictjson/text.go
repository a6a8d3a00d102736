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

// Text returns the text of a JSON string. exact is false if the value is not a string,
// and then text is empty. It is also false if the string has half a surrogate pair, for
// which text has U+FFFD.
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

// Identifier returns a string that identifies a user or a thing. ok is false unless the
// string is exact and without control characters. With those, one printed name could look
// like another.
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

// appendText appends the text of a JSON string to dst, or returns a part of the value if
// that is the text already.
func appendText(dst []byte, value Value) (text []byte, exact bool) {
	inner := value[1 : len(value)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return inner, true
	}
	out, err := jsontext.AppendUnquote(dst, value)
	return out, err == nil
}

// hasControl reports whether the text has a character below U+0020. JSON cannot contain
// such characters unescaped, but can contain their escapes.
func hasControl(text []byte) bool {
	for _, c := range text {
		if c < ' ' {
			return true
		}
	}
	return false
}
