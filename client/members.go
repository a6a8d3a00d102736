package client

import (
	"bytes"
	"encoding/json"
)

// members calls take with each member of a JSON object, in order. name is
// decoded, and take may use it only during the call; value stands as it is in
// the object.
//
// members looks only at the top level, so a picture of a million characters
// costs one pass. It compares names exactly, where encoding/json would ignore
// case. The daemon has checked the object, and sends it on one line without
// blanks. For anything that is not a JSON object, members stops early and
// returns false.
func members(object []byte, take func(name []byte, value json.RawMessage)) bool {
	s := scanner{rest: object}
	if !s.accept('{') {
		return false
	}
	if s.accept('}') {
		return len(s.rest) == 0
	}
	for {
		name, ok := s.name()
		if !ok || !s.accept(':') {
			return false
		}
		value, ok := s.value()
		if !ok {
			return false
		}
		take(name, value)
		if s.accept('}') {
			return len(s.rest) == 0
		}
		if !s.accept(',') {
			return false
		}
	}
}

// scanner walks compact JSON.
type scanner struct{ rest []byte }

func (s *scanner) accept(c byte) bool {
	if len(s.rest) == 0 || s.rest[0] != c {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

// name reads and decodes a string. It copies only a string with escapes.
func (s *scanner) name() ([]byte, bool) {
	quoted, ok := s.quoted()
	if !ok {
		return nil, false
	}
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1], true
	}
	text, ok := decodeText(quoted)
	return []byte(text), ok
}

// quoted reads a string with its quotes.
func (s *scanner) quoted() ([]byte, bool) {
	if len(s.rest) == 0 || s.rest[0] != '"' {
		return nil, false
	}
	for i := 1; ; {
		n := bytes.IndexByte(s.rest[i:], '"')
		if n < 0 {
			return nil, false
		}
		i += n
		// The quote ends the string, unless an odd number of backslashes
		// stands before it.
		back := i
		for s.rest[back-1] == '\\' {
			back--
		}
		i++
		if (i-1-back)%2 == 0 {
			text := s.rest[:i]
			s.rest = s.rest[i:]
			return text, true
		}
	}
}

// value reads any value and returns it undecoded.
func (s *scanner) value() (json.RawMessage, bool) {
	start := s.rest
	depth := 0
	for {
		if len(s.rest) == 0 {
			return nil, false
		}
		switch s.rest[0] {
		case '"':
			if _, ok := s.quoted(); !ok {
				return nil, false
			}
		case '{', '[':
			depth++
			s.rest = s.rest[1:]
		case '}', ']':
			depth--
			s.rest = s.rest[1:]
		case ',', ':':
			if depth == 0 {
				return nil, false
			}
			s.rest = s.rest[1:]
		default:
			s.word()
		}
		if depth < 0 {
			return nil, false
		}
		if depth == 0 {
			return start[:len(start)-len(s.rest)], true
		}
	}
}

// word skips a number, true, false or null.
func (s *scanner) word() {
	for i, c := range s.rest {
		switch c {
		case ',', ':', ']', '}', '"', '[', '{':
			s.rest = s.rest[i:]
			return
		}
	}
	s.rest = nil
}

// decodeText decodes a JSON string with its quotes.
func decodeText(quoted []byte) (string, bool) {
	if len(quoted) >= 2 && quoted[0] == '"' && bytes.IndexByte(quoted, '\\') < 0 {
		return string(quoted[1 : len(quoted)-1]), true
	}
	var text string
	if len(quoted) == 0 || quoted[0] != '"' || json.Unmarshal(quoted, &text) != nil {
		return "", false
	}
	return text, true
}
