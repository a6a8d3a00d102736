package strictjson

import "bytes"

// Line returns a valid JSON text as one line: without blanks between its values, and
// with an escape for each character that some reader takes for a control character or
// the end of a line (U+007F to U+009F, U+2028, U+2029). Everything else stays as it
// is, with escapes and the digits of numbers. Line may change text and may use its
// memory for the result.
func Line(text []byte) []byte {
	out := text[:0]
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			end := stringEnd(text, i)
			out = append(out, text[i:end+1]...)
			i = end
		case ' ', '\t', '\n', '\r':
		default:
			out = append(out, text[i])
		}
	}
	return escapeBreaks(out)
}

// stringEnd returns the index of the quote that ends the string begun at i.
func stringEnd(text []byte, i int) int {
	for at := i + 1; ; {
		next := bytes.IndexByte(text[at:], '"')
		if next < 0 {
			return len(text) - 1 // not JSON: any result will do
		}
		at += next
		back := at // an odd number of backslashes before the quote escapes it
		for text[back-1] == '\\' {
			back--
		}
		if (at-back)%2 == 0 {
			return at
		}
		at++
	}
}

// escapeBreaks writes U+007F to U+009F, U+2028 and U+2029 as \u escapes. In valid JSON
// these characters occur only in strings, and never after a backslash.
func escapeBreaks(text []byte) []byte {
	if bytes.IndexByte(text, 0x7f) < 0 && bytes.IndexByte(text, 0xc2) < 0 && bytes.IndexByte(text, 0xe2) < 0 {
		return text // nearly always
	}
	const hex = "0123456789abcdef"
	out := make([]byte, 0, len(text)+64)
	from := 0
	for at := nextBreak(text, 0); at < len(text); at = nextBreak(text, from) {
		out = append(out, text[from:at]...)
		var r uint16
		switch text[at] {
		case 0x7f:
			r, from = 0x7f, at+1
		case 0xc2:
			r, from = uint16(text[at+1]), at+2
		default:
			r, from = 0x2000|uint16(text[at+2]-0x80), at+3
		}
		out = append(out, '\\', 'u', hex[r>>12], hex[r>>8&15], hex[r>>4&15], hex[r&15])
	}
	return append(out, text[from:]...)
}

// nextBreak returns the index, from on, of the next character to escape, or the length of
// the text.
func nextBreak(text []byte, from int) int {
	for i := from; i < len(text); i++ {
		switch c := text[i]; {
		case c < 0x7f:
		case c == 0x7f:
			return i
		case c == 0xc2 && i+1 < len(text) && text[i+1] < 0xa0:
			return i
		case c == 0xe2 && i+2 < len(text) && text[i+1] == 0x80 && (text[i+2] == 0xa8 || text[i+2] == 0xa9):
			return i
		}
	}
	return len(text)
}
