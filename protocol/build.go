package protocol

import "unicode/utf8"

// AppendStatus begins a reply line: the tag of the request, if it has one, the status, and after NO or ERR the reason
// or code. Fields and the rest follow by the other Append functions; the caller ends the line with '\n'.
//
// A NO or ERR without a word is written as ERR unavailable: a rejection needs its proof.
func AppendStatus(dst, tag []byte, s Status, word string) []byte {
	return appendStatus(dst, tag, s, word)
}

func appendStatus[W string | []byte](dst, tag []byte, s Status, word W) []byte {
	dst = appendTag(dst, tag)
	if s == OK {
		return append(dst, "OK"...)
	}
	if len(word) == 0 {
		return append(dst, "ERR unavailable"...)
	}
	dst = append(dst, s.String()...)
	dst = append(dst, ' ')
	return append(dst, word...)
}

// AppendField appends " name=value" and encodes the value.
func AppendField(dst []byte, name, value string) []byte {
	return AppendValue(appendName(dst, name), value)
}

// AppendRest appends a space and rest, unchanged. rest has to satisfy [ValidRest] and must not begin like a field; a
// JSON object never does. For text that comes from elsewhere use [AppendText].
func AppendRest(dst, rest []byte) []byte {
	dst = append(dst, ' ')
	return append(dst, rest...)
}

// AppendText appends a space and text for people, changed into a valid rest: a character that is not printable, or a
// byte that is not UTF-8, becomes "?"; leading spaces are left out; the "=" of a first word that looks like a field
// becomes ":"; and the text is cut at [MaxText] bytes. If no text is left, AppendText appends nothing.
func AppendText(dst []byte, text string) []byte {
	start := len(dst)
	dst = append(dst, ' ')
	first := true // still in the first word, which so far looks like the name of a field
	for _, r := range text {
		if len(dst)-start == 1 && r == ' ' {
			continue
		}
		if r < ' ' || r == 0x7f || 0x80 <= r && r <= 0x9f || r == utf8.RuneError || r == 0x2028 || r == 0x2029 {
			r = '?'
		}
		if first && r == '=' && len(dst)-start > 1 {
			r = ':'
		}
		if first && (r >= utf8.RuneSelf || !nameByte(byte(r))) {
			first = false
		}
		if len(dst)-start-1+utf8.RuneLen(r) > MaxText {
			break
		}
		dst = utf8.AppendRune(dst, r)
	}
	if len(dst)-start == 1 {
		return dst[:start]
	}
	return dst
}

// appendTag appends "@tag " unless there is no tag.
func appendTag(dst, tag []byte) []byte {
	if len(tag) == 0 {
		return dst
	}
	dst = append(dst, '@')
	dst = append(dst, tag...)
	return append(dst, ' ')
}

// appendName appends " name=".
func appendName(dst []byte, name string) []byte {
	dst = append(dst, ' ')
	dst = append(dst, name...)
	return append(dst, '=')
}
