// Package credential recognises texts that people give in place of an access token:
// a header with the token in it, a key, the name of a file, half a token. It
// describes such a text in fixed words and numbers. It never repeats any part of the
// text, which may be a user's session or an operator's key.
package credential

import (
	"bytes"
	"strings"
)

// Finding says what a text is that is not an access token, or not a complete one.
type Finding struct {
	// Is says what it is: "it begins with Bearer", "it has 2 lines".
	Is string
	// Next says what to do about it.
	Next string
	// Never says that no daemon accepts the text, whatever its configuration is. So
	// nobody has to ask, and a secret in the text stays here.
	Never bool
}

// ForUpstream reports whether the text has the form of a credential that only an upstream can
// judge, and nothing is wrong with that form.
func (f Finding) ForUpstream() bool { return f.Next == sessionNext }

// Trim removes what a shell or an editor adds to a token: blanks and line ends around it,
// and a byte order mark before it.
func Trim(text []byte) string {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	return string(bytes.Trim(text, " \t\r\n\v\f"))
}

// maxWrappers is how many wrappers around a token Look removes at most.
const maxWrappers = 4

// Look says what text is. The caller has to Trim it. Look finds nothing in a text that has
// the form of an access token, and nothing in an unknown text.
func Look(text string) (f Finding, found bool) {
	var around []string
	for range maxWrappers {
		w, inner := wrapper(text)
		if w.Is == "" {
			break
		}
		if around = append(around, w.Is); f.Next == "" {
			f.Next = w.Next
		}
		text, f.Never = Trim([]byte(inner)), true
	}
	core, known := look(text)
	switch {
	case len(around) == 0:
		return core, known
	case text == "":
		around = append(around, "there is nothing behind it")
		f.Next = wanted
	case known:
		around = append(around, "without that "+core.Is)
		f.Next = core.Next
	}
	f.Is = strings.Join(around, ", and ")
	return f, true
}

// look is Look for a text without wrappers.
func look(text string) (Finding, bool) {
	for _, one := range []func(string) Finding{
		encoded, variable, document, known, place, lines, words, cookies, session, segments, packed, opaque,
	} {
		if f := one(text); f.Is != "" {
			return f, true
		}
	}
	return Finding{}, false
}

// Advice that several findings share.
const (
	wanted   = "give the user's access token, alone: accessToken of the SDK's getAuthJson(), three segments with dots between"
	replace  = "have it replaced if it was shown; an access token is wanted here: accessToken of the SDK's getAuthJson()"
	copyAll  = "copy the token whole, from its first character to its last"
	copyHere = "copy the token again, and nothing but the token"
)
