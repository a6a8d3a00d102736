package protocol

import (
	"bytes"
	"math"
	"strconv"
	"strings"
)

const upperHex = "0123456789ABCDEF"

// AppendValue appends s as the value of a field or as a value argument of an admin verb: visible ASCII as it is, every
// other byte and "%" as "%" and two upper-case hex digits. Any string can be carried; the same string always has the
// same text.
func AppendValue(dst []byte, s string) []byte {
	from := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if plain(c) {
			continue
		}
		dst = append(dst, s[from:i]...)
		dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
		from = i + 1
	}
	return append(dst, s[from:]...)
}

// Value returns the string that [AppendValue] wrote as raw. Every other spelling is an error: bytes outside visible
// ASCII, lower-case hex, a cut escape, and an escape of a byte that needs none. The string can hold any bytes;
// neonauthd sends UTF-8.
func Value(raw []byte) (string, error) {
	if plainPrefix(raw) == len(raw) {
		return string(raw), nil
	}
	if checkValue(raw) != nil {
		return "", errValue
	}
	s := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c == '%' {
			c = unhex(raw[i+1])<<4 | unhex(raw[i+2])
			i += 2
		}
		s = append(s, c)
	}
	return string(s), nil
}

// Int returns the number that [AppendInt] wrote as raw: decimal, no sign but "-", no leading zero, within int64.
func Int(raw []byte) (int64, error) {
	digits, negative := bytes.CutPrefix(raw, []byte{'-'})
	const most = 19 // digits that cannot overflow uint64
	if len(digits) == 0 || len(digits) > most || digits[0] == '0' && (len(digits) > 1 || negative) {
		return 0, errNumber
	}
	var n uint64
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, errNumber
		}
		n = n*10 + uint64(c-'0')
	}
	limit := uint64(math.MaxInt64)
	if negative {
		limit++
	}
	if n > limit {
		return 0, errNumber
	}
	if negative {
		return -int64(n), nil
	}
	return int64(n), nil
}

// AppendInt appends " name=v" in decimal.
func AppendInt(dst []byte, name string, v int64) []byte {
	dst = appendName(dst, name)
	return strconv.AppendInt(dst, v, 10)
}

// plain reports whether c stands for itself in a value.
func plain(c byte) bool { return 0x21 <= c && c <= 0x7e && c != '%' }

// plainPrefix returns how many bytes at the start of b stand for themselves.
func plainPrefix(b []byte) int {
	for i, c := range b {
		if !plain(c) {
			return i
		}
	}
	return len(b)
}

// checkValue reports what is wrong with the value of a field.
func checkValue(b []byte) error {
	switch {
	case !visible(b):
		return errByte
	case !canonical(b):
		return errValue
	}
	return nil
}

// cutValue splits line after the value that it begins with, and checks the value; see cutWord.
func cutValue(line []byte) (value, rest []byte, more bool, err error) {
	switch n := plainPrefix(line); {
	case n == len(line):
		return line, nil, false, nil
	case line[n] == ' ': // the common case: plainPrefix has checked the value and found its end in one pass
		return line[:n], line[n+1:], true, nil
	}
	value, rest, more = cutWord(line)
	return value, rest, more, checkValue(value)
}

// canonical reports whether every "%" in raw, which is visible ASCII, begins an escape that AppendValue writes.
func canonical(raw []byte) bool {
	for {
		i := bytes.IndexByte(raw, '%')
		if i < 0 {
			return true
		}
		if len(raw) < i+3 || !isHex(raw[i+1]) || !isHex(raw[i+2]) || plain(unhex(raw[i+1])<<4|unhex(raw[i+2])) {
			return false
		}
		raw = raw[i+3:]
	}
}

func isHex(c byte) bool { return '0' <= c && c <= '9' || 'A' <= c && c <= 'F' }

// unhex returns the value of a digit for which isHex is true.
func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c - 'A' + 10
}

const (
	// ofToken has the characters of a signed token, and of a project's name.
	ofToken = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
	// ofOpaque has the characters of every credential: also of opaque access tokens (RFC 6750 section 2.1), and of the
	// session credentials of preset neon in their cookie, which end in padded base64 and may be percent-encoded.
	ofOpaque = ofToken + "~+/=%"
)

// IsProject reports whether a project can have that name: 1 to [MaxProject] letters, digits, "-", "_" and ".".
func IsProject(name string) bool {
	return name != "" && len(name) <= MaxProject && strings.Trim(name, ofToken) == ""
}

// IsToken reports whether a request with that verb may be about the token (protocol.md, "Rules for clients"): 1 to
// [MaxToken] letters, digits, "-", "_", ".", "~", "+", "/", "=" and "%", unless the text reads as a field; for LOGOUT,
// which takes signed tokens alone, only letters, digits, "-", "_" and ".". Any other text is certainly malformed, and
// must not be sent: text after a line feed would be a second request, "x project=other" would be two arguments, and
// "project=other" would be a field. VERIFY and PROFILE take the same texts, because only the daemon knows whether the
// upstream could judge what VERIFY cannot.
func IsToken(verb Verb, token string) bool {
	letters := ofOpaque
	if verb == LOGOUT {
		letters = ofToken
	}
	return token != "" && len(token) <= MaxToken && strings.TrimLeft(token, letters) == "" && ValidWord([]byte(token))
}
