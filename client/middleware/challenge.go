package middleware

import (
	"strings"

	"github.com/neonauthd/neonauthd/client"
)

// challenge writes the value of WWW-Authenticate (RFC 6750 section 3). The
// reason is a word of the protocol's closed list; it tells the holder of a bad
// token no more than the token itself does.
func (g *Guard) challenge(code string, why client.Answer) string {
	var params []string
	if g.Realm != "" {
		params = append(params, "realm="+quotedString(g.Realm))
	}
	if code != "" {
		params = append(params, "error="+quotedString(code))
	}
	if r, ok := why.(client.Rejected); ok {
		params = append(params, "error_description="+quotedString(string(r.Reason)))
	}
	if len(params) == 0 {
		return "Bearer"
	}
	return "Bearer " + strings.Join(params, ", ")
}

// quotedString is that of RFC 9110 section 5.6.4, for the characters that
// RFC 6750 allows in these values: printable ASCII. Others become "?".
func quotedString(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r > '~':
			b.WriteByte('?')
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
