package protocol

import (
	"bytes"
	"encoding/binary"
	"unicode/utf8"
)

// Parsing looks at every byte of a line, and spends most of its time here. The scanners therefore read eight bytes as
// one word, and four words in each step, which takes a sixth of the time of one byte at a time. A byte outside the set
// makes the high bit of its place 1. A carry or borrow into the next place comes only from a byte that is itself
// outside the set.
const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
	step  = 32
)

// visible reports whether b holds only visible ASCII, 0x21 to 0x7E.
func visible(b []byte) bool {
	for ; len(b) >= step; b = b[step:] {
		w, x, y, z := words(b)
		w |= (w + ones) | (w - 0x21*ones)
		x |= (x + ones) | (x - 0x21*ones)
		y |= (y + ones) | (y - 0x21*ones)
		z |= (z + ones) | (z - 0x21*ones)
		if (w|x|y|z)&highs != 0 {
			return false
		}
	}
	for _, c := range b {
		if c < 0x21 || c > 0x7e {
			return false
		}
	}
	return true
}

// noControls reports whether no byte of b is below 0x20, and whether all are ASCII.
func noControls(b []byte) (ok, ascii bool) {
	var seen uint64
	for ; len(b) >= step; b = b[step:] {
		w, x, y, z := words(b)
		seen |= w | x | y | z
		w = (w - 0x20*ones) &^ w
		x = (x - 0x20*ones) &^ x
		y = (y - 0x20*ones) &^ y
		z = (z - 0x20*ones) &^ z
		if (w|x|y|z)&highs != 0 {
			return false, false
		}
	}
	for _, c := range b {
		if c < 0x20 {
			return false, false
		}
		seen |= uint64(c)
	}
	return true, seen&highs == 0
}

// words reads the first step bytes of b.
func words(b []byte) (w, x, y, z uint64) {
	b = b[:step]
	return binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:]),
		binary.LittleEndian.Uint64(b[16:]), binary.LittleEndian.Uint64(b[24:])
}

// ValidWord reports whether b can stand on a line as an argument by itself: at least one byte, all visible ASCII, and
// not of the shape of a field (lower-case letters, digits and "-" before the first "="). Check everything that comes
// from outside, above all a token, before [Request.Append], which checks nothing.
func ValidWord(b []byte) bool {
	_, field := fieldName(b)
	return len(b) > 0 && !field && visible(b)
}

// ValidRest reports whether b can be the rest of a reply: UTF-8 that does not begin with a space and holds no byte
// below 0x20. Every JSON text on one line is so (RFC 8259 section 7). DEL and the C1 controls, which JSON allows
// unescaped, are allowed here too: a program that prints a rest to a terminal has to escape them.
func ValidRest(b []byte) bool {
	if len(b) == 0 || b[0] == ' ' {
		return false
	}
	ok, ascii := noControls(b)
	return ok && (ascii || utf8.Valid(b))
}

// fieldName returns the name of a word of the shape name=..., whatever its length, and whether the word has that shape.
func fieldName(word []byte) (name []byte, ok bool) {
	for i, c := range word {
		if c == '=' {
			return word[:i], i > 0
		}
		if !nameByte(c) {
			return nil, false
		}
	}
	return nil, false
}

// validName reports whether b can be a field name, a reason or a code.
func validName(b []byte) bool {
	if len(b) == 0 || len(b) > MaxName {
		return false
	}
	for _, c := range b {
		if !nameByte(c) {
			return false
		}
	}
	return true
}

// nameByte reports whether c may stand in a name.
func nameByte(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-'
}

// validVerb reports whether b can be a verb, known or not.
func validVerb(b []byte) bool {
	if len(b) == 0 || len(b) > MaxName {
		return false
	}
	for _, c := range b {
		if c < 'A' || c > 'Z' {
			return false
		}
	}
	return true
}

// ValidTag reports whether b can be a tag: 1 to [MaxTag] letters, digits, "_", ".", ":" or "-".
func ValidTag(b []byte) bool {
	if len(b) == 0 || len(b) > MaxTag {
		return false
	}
	for _, c := range b {
		switch {
		case 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		case c == '_', c == '.', c == ':', c == '-':
		default:
			return false
		}
	}
	return true
}

// cutWord splits line at its first space. more reports whether there was a space, after which another word has to
// follow.
func cutWord(line []byte) (word, rest []byte, more bool) {
	i := bytes.IndexByte(line, ' ')
	if i < 0 {
		return line, nil, false
	}
	return line[:i], line[i+1:], true
}

// cutTag splits a leading tag from line. Without a tag, tag is nil and rest is the line. For a line that holds only a
// tag, cutTag returns the tag together with an error, so that the answer can carry the tag.
func cutTag(line []byte) (tag, rest []byte, err error) {
	if len(line) == 0 || line[0] != '@' {
		return nil, line, nil
	}
	word, rest, more := cutWord(line)
	if !ValidTag(word[1:]) {
		return nil, nil, errTag
	}
	if !more {
		return word[1:], nil, errTagAlone
	}
	return word[1:], rest, nil
}
