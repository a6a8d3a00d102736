package keyset

import (
	"bytes"

	"github.com/neonauthd/neonauthd/protocol"
)

// The bounds of a token in its compact form, in bytes.
const (
	minToken = 20
	MaxToken = protocol.MaxToken
)

// known marks the characters of base64url in sextets.
const known = 0x40

// sextets gives each character of base64url (RFC 4648 section 5) its value
// with the bit known set, and every other byte zero.
var sextets = [256]uint8{
	'A': known, 'B': known | 1, 'C': known | 2, 'D': known | 3, 'E': known | 4, 'F': known | 5,
	'G': known | 6, 'H': known | 7, 'I': known | 8, 'J': known | 9, 'K': known | 10, 'L': known | 11,
	'M': known | 12, 'N': known | 13, 'O': known | 14, 'P': known | 15, 'Q': known | 16, 'R': known | 17,
	'S': known | 18, 'T': known | 19, 'U': known | 20, 'V': known | 21, 'W': known | 22, 'X': known | 23,
	'Y': known | 24, 'Z': known | 25, 'a': known | 26, 'b': known | 27, 'c': known | 28, 'd': known | 29,
	'e': known | 30, 'f': known | 31, 'g': known | 32, 'h': known | 33, 'i': known | 34, 'j': known | 35,
	'k': known | 36, 'l': known | 37, 'm': known | 38, 'n': known | 39, 'o': known | 40, 'p': known | 41,
	'q': known | 42, 'r': known | 43, 's': known | 44, 't': known | 45, 'u': known | 46, 'v': known | 47,
	'w': known | 48, 'x': known | 49, 'y': known | 50, 'z': known | 51, '0': known | 52, '1': known | 53,
	'2': known | 54, '3': known | 55, '4': known | 56, '5': known | 57, '6': known | 58, '7': known | 59,
	'8': known | 60, '9': known | 61, '-': known | 62, '_': known | 63,
}

// nameRoom is how far into a credential its cookie's name may reach.
const nameRoom = 64

// Shaped tells, at a glance, whether the token may pass Gate: it has the size and
// the dots, and does not begin with a name and "=". Other credentials do not
// have this shape: a session credential has one dot, or two dots with its
// cookie's name, which is followed by "=".
func Shaped(token []byte) bool {
	return len(token) >= minToken && len(token) <= MaxToken &&
		bytes.Count(token, []byte{'.'}) == 2 && bytes.IndexByte(token[:min(nameRoom, len(token))], '=') < 0
}

// Gate tells whether the bytes have the one form a token can have: minToken to
// MaxToken bytes, exactly three non-empty segments of base64url without
// padding, and in each segment the unused bits of the last character zero. So
// a signed token has one spelling, and what passes can be decoded.
//
// It looks at every byte once, allocates nothing and is meant to run before
// anything else is done with a token.
func Gate(token []byte) bool {
	if !Shaped(token) {
		return false
	}
	header, payload, signature := segments(token)
	return canonical(signature) && canonical(header) && canonical(payload)
}

// segments cuts the token at its first two dots. If the token is no compact
// JWS, at least one segment is empty or holds a byte outside base64url.
func segments(token []byte) (header, payload, signature []byte) {
	first := bytes.IndexByte(token, '.')
	if first < 0 {
		return nil, nil, nil
	}
	header, token = token[:first], token[first+1:]
	second := bytes.IndexByte(token, '.')
	if second < 0 {
		return nil, nil, nil
	}
	return header, token[:second], token[second+1:]
}

// canonical tells whether encoding the decoded segment gives the segment.
func canonical(segment []byte) bool {
	if len(segment) == 0 {
		return false
	}
	var unused uint8
	switch len(segment) % 4 {
	case 1:
		return false
	case 2:
		unused = 0x0f
	case 3:
		unused = 0x03
	}
	last := sextets[segment[len(segment)-1]]
	ok := last
	// Eight at a time without a branch: the slice expression frees the body
	// of bounds checks.
	for len(segment) >= 8 {
		s := segment[:8]
		ok &= sextets[s[0]] & sextets[s[1]] & sextets[s[2]] & sextets[s[3]] &
			sextets[s[4]] & sextets[s[5]] & sextets[s[6]] & sextets[s[7]]
		segment = segment[8:]
	}
	for _, c := range segment {
		ok &= sextets[c]
	}
	return ok&known != 0 && last&unused == 0
}
