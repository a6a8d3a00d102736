package client

import "github.com/neonauthd/neonauthd/protocol"

// Of what tokens are made (protocol.md, "Rules for clients"): letters, digits,
// "-", "_" and ".". What PROFILE takes beside it are the session credentials of
// preset neon, which end in padded base64 and may be percent-encoded, as they
// stand in their cookie.
const (
	ofToken   = 1 << iota // the byte may stand in a token
	ofSession             // and in a session credential
)

// alphabet tells of each byte where it may stand. Every lookup goes through it,
// byte by byte, so it is a table and not a test.
var alphabet = func() (table [256]uint8) {
	for c := range table {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.':
			table[c] = ofToken | ofSession
		case c == '+', c == '/', c == '=', c == '%':
			table[c] = ofSession
		}
	}
	return table
}()

// askable tells whether the token can be one at all. One that cannot is
// malformed beyond doubt, and sending it could only do harm: a line feed in it
// would be a second request, "x project=other" a second argument, and
// "project=other" a field of the request.
func askable(verb protocol.Verb, token string) bool {
	switch {
	case token == "" || len(token) > protocol.MaxToken:
		return false
	case verb == protocol.PROFILE:
		return madeOf(token, ofSession) && protocol.ValidWord([]byte(token))
	default: // without "=" no word is a field
		return madeOf(token, ofToken)
	}
}

// madeOf reports whether every byte of the text may stand where.
func madeOf(text string, where uint8) bool {
	all := where
	for i := range len(text) {
		all &= alphabet[text[i]]
	}
	return all != 0
}
