package httpauth

import "strings"

// MaxScope bounds a scope, in bytes.
const MaxScope = 128

// ValidScope reports whether text is one scope: 1 to MaxScope characters of RFC 6749 section 3.3, which are those of ASCII
// that can be seen, but for quotes and backslashes.
func ValidScope(text string) bool {
	return text != "" && len(text) <= MaxScope && !strings.ContainsFunc(text, func(r rune) bool {
		return r <= ' ' || r > '~' || r == '"' || r == '\\'
	})
}
