package upstream

import "github.com/neonauthd/neonauthd/protocol"

// The size of an opaque access token, in bytes.
const (
	minAccessToken = 20
	maxAccessToken = protocol.MaxToken
)

// OpaqueAccessToken reports whether a credential can be an access token that is no JWT: the characters of a bearer token
// (RFC 6750 section 2.1), not in three parts, and the form of no credential of another kind. The form proves nothing.
func OpaqueAccessToken(credential []byte) bool {
	if len(credential) < minAccessToken || len(credential) > maxAccessToken {
		return false
	}
	end, dots := len(credential), 0
	for end > 0 && credential[end-1] == '=' {
		end--
	}
	for _, c := range credential[:end] {
		switch {
		case c == '.':
			dots++
		case !isAlnum(c) && c != '-' && c != '_' && c != '~' && c != '+' && c != '/':
			return false
		}
	}
	if s, ok := ParseSession(credential); end == 0 || dots == 2 || ok && s.signature != "" {
		return false
	}
	_, isKey := ParseAPIKey(credential)
	return !isKey
}
