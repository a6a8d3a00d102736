// Package foreign makes text that somebody else has written short and safe, for messages
// that repeat it.
package foreign

import (
	"strconv"
	"unicode/utf8"
)

// Cut returns the text. If the text has more than most bytes, Cut returns as many of its
// first whole characters as fit into most bytes, and "...".
func Cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	end := most
	for end > most-utf8.UTFMax && end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	if end == most-utf8.UTFMax { // no character is so long: the text is not UTF-8
		end = most
	}
	return text[:end] + "..."
}

// Quoted returns what Cut returns, in quotes and in visible ASCII.
func Quoted(text string, most int) string { return strconv.QuoteToASCII(Cut(text, most)) }
