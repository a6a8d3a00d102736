package httpauth

import "strings"

// MaxScope is the greatest length of a scope, in bytes.
const MaxScope = 128

// ValidScope reports whether text is one scope (RFC 6749 section 3.3): 1 to
// MaxScope visible characters of ASCII, without quotes and backslashes.
func ValidScope(text string) bool {
	return text != "" && len(text) <= MaxScope && !strings.ContainsFunc(text, func(r rune) bool {
		return r <= ' ' || r > '~' || r == '"' || r == '\\'
	})
}
