package nginxcheck

import (
	"errors"
	"strings"
)

// lexer splits a configuration into words.
type lexer struct {
	text string
	at   int
	line int
}

// next returns the next word, or one of ; { and } in end. At the end of the
// text all results are empty.
func (l *lexer) next() (word string, quoted bool, end byte, err error) {
	l.blanks()
	if l.at == len(l.text) {
		return "", false, 0, nil
	}
	switch c := l.text[l.at]; c {
	case ';', '{', '}':
		l.at++
		return "", false, c, nil
	case '"', '\'':
		word, err = l.quoted(c)
		return word, true, 0, err
	}
	return l.plain(), false, 0, nil
}

// blanks skips blanks and comments.
func (l *lexer) blanks() {
	for l.at < len(l.text) {
		switch l.text[l.at] {
		case '\n':
			l.line++
		case ' ', '\t', '\r':
		case '#':
			n := strings.IndexByte(l.text[l.at:], '\n')
			if n < 0 {
				l.at = len(l.text)
				return
			}
			l.at += n
			continue
		default:
			return
		}
		l.at++
	}
}

// plain reads a word without quotes. In such a word "${" begins the name of a
// variable, not a block.
func (l *lexer) plain() string {
	var word strings.Builder
	for ; l.at < len(l.text); l.at++ {
		switch c := l.text[l.at]; c {
		case ' ', '\t', '\r', '\n', ';':
			return word.String()
		case '{':
			if !strings.HasSuffix(word.String(), "$") {
				return word.String()
			}
			n := strings.IndexByte(l.text[l.at:], '}')
			if n < 0 {
				return word.String()
			}
			word.WriteString(l.text[l.at : l.at+n+1])
			l.at += n
		case '\\':
			word.WriteByte(c)
			if l.at+1 < len(l.text) {
				l.at++
				word.WriteByte(l.text[l.at])
			}
		default:
			word.WriteByte(c)
		}
	}
	return word.String()
}

func (l *lexer) quoted(quote byte) (string, error) {
	var word strings.Builder
	for l.at++; l.at < len(l.text); l.at++ {
		switch c := l.text[l.at]; c {
		case quote:
			l.at++
			return word.String(), nil
		case '\\':
			if l.at+1 < len(l.text) {
				l.at++
				if next := l.text[l.at]; next != quote && next != '\\' {
					word.WriteByte(c)
				}
				word.WriteByte(l.text[l.at])
			}
		case '\n':
			l.line++
			word.WriteByte(c)
		default:
			word.WriteByte(c)
		}
	}
	return "", errors.New("a quote is not closed")
}

// skipBlock skips a block of another language, whose braces are balanced.
func (l *lexer) skipBlock() error {
	depth := 1
	for ; l.at < len(l.text); l.at++ {
		switch l.text[l.at] {
		case '\n':
			l.line++
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				l.at++
				return nil
			}
		}
	}
	return errors.New("a block is not closed")
}
