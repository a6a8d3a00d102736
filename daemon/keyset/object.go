package keyset

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// maxDepth is how deep arrays and objects may nest, the outermost counted.
const maxDepth = 16

// errObject is the one answer to every kind of unacceptable JSON: the text at
// hand is foreign and stays out of errors.
var errObject = errors.New("not one strict JSON object")

// decode returns the bytes of a segment that passed the gate; nil if they are
// more than limit.
func decode(segment []byte, limit int) []byte {
	size := base64.RawURLEncoding.DecodedLen(len(segment))
	if size > limit {
		return nil
	}
	out := make([]byte, size)
	n, err := base64.RawURLEncoding.Strict().Decode(out, segment)
	if err != nil {
		return nil
	}
	return out[:n]
}

// object walks the members of the one JSON object that text consists of
// (RFC 8259), stopping at the first error, also of member. Names are handed
// over unescaped, values as they stand; both are valid only during the call.
//
// Refused are: anything before or behind the object but blanks, invalid UTF-8,
// lone surrogates, names given twice at any level, names of the object itself
// that differ only in case (a reader that folds case would take one for the
// other), and more than maxDepth levels.
func object(text []byte, member func(name []byte, value jsontext.Value) error) error {
	// The set of names below sees what the decoder would, and more; nested
	// objects are checked by themselves.
	d := jsontext.NewDecoder(bytes.NewBuffer(text), jsontext.AllowDuplicateNames(true))
	if t, err := d.ReadToken(); err != nil || t.Kind() != '{' {
		return errObject
	}
	var names nameSet
	for d.PeekKind() != '}' {
		raw, err := d.ReadValue()
		if err != nil || raw.Kind() != '"' {
			return errObject
		}
		name, ok := names.add(raw)
		if !ok {
			return errObject
		}
		value, err := d.ReadValue()
		if err != nil || !shallow(value) {
			return errObject
		}
		if err := member(name, value); err != nil {
			return err
		}
	}
	if _, err := d.ReadToken(); err != nil {
		return errObject
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return errObject
	}
	return nil
}

// shallow tells whether a member's value keeps to maxDepth, its object counted,
// and no object in it has a name twice.
func shallow(value jsontext.Value) bool {
	if k := value.Kind(); k != '{' && k != '[' {
		return true
	}
	return depth(value) < maxDepth && value.IsValid()
}

// depth counts the levels of arrays and objects in a valid JSON value: 0 for a
// string, number or literal.
func depth(value jsontext.Value) int {
	deepest, level := 0, 0
	for i := 0; i < len(value); i++ {
		switch value[i] {
		case '"':
			i = stringEnd(value, i)
		case '{', '[':
			level++
			deepest = max(deepest, level)
		case '}', ']':
			level--
		}
	}
	return deepest
}

// stringEnd returns the index of the quote that ends the string begun at i.
func stringEnd(value []byte, i int) int {
	for i++; i < len(value) && value[i] != '"'; i++ {
		if value[i] == '\\' {
			i++
		}
	}
	return i
}

// unquote returns what a valid JSON string says; without escapes no copy is
// made.
func unquote(value jsontext.Value) []byte {
	inner := value[1 : len(value)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return inner
	}
	out, err := jsontext.AppendUnquote(nil, value)
	if err != nil {
		return nil // not reachable: the decoder has read it as a strict string
	}
	return out
}

// nameSet remembers names under case folding. The zero value is empty.
type nameSet struct {
	folded []byte    // each name folded, each followed by edge
	name   []byte    // the last name, as it was
	marks  [4]uint64 // a bit for every name folded: unset means new
}

// edge occurs in no UTF-8 text, so it parts names beyond doubt.
const edge = 0xff

// add returns the unescaped name, valid until the next call, and whether no
// name that folds to the same was added before.
func (s *nameSet) add(raw jsontext.Value) (name []byte, fresh bool) {
	if s.folded == nil {
		s.folded = append(make([]byte, 0, 384), edge)
		s.name = make([]byte, 0, 64)
	}
	s.name = append(s.name[:0], unquote(raw)...)
	before := len(s.folded)
	s.folded = append(appendFold(s.folded, s.name), edge)
	h := uint32(2166136261) // FNV-1a
	for _, c := range s.folded[before:] {
		h = (h ^ uint32(c)) * 16777619
	}
	word, bit := h>>6&3, uint64(1)<<(h&63)
	if s.marks[word]&bit == 0 {
		s.marks[word] |= bit
		return s.name, true
	}
	return s.name, !bytes.Contains(s.folded[:before], s.folded[before-1:])
}

// appendFold appends the name with every letter replaced by the one that
// stands for all its cases, in the sense of bytes.EqualFold.
func appendFold(dst, name []byte) []byte {
	for len(name) > 0 {
		r, size := rune(name[0]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRune(name)
		}
		name = name[size:]
		if r >= utf8.RuneSelf {
			least := r
			for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
				least = min(least, f)
			}
			r = least
		}
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst
}
