// Package credential tells what a text is that somebody gave where an access
// token belongs: a header with the token in it, a key, a file's name, half a
// token. What it says is in words of its own and in numbers. It never repeats any
// of the text, which may be somebody's session or an operator's key.
package credential

import (
	"bytes"
	"strings"
)

// Finding says what a text is that is no access token, or none that is whole.
type Finding struct {
	// Is says what it is: "it begins with Bearer", "it has 2 lines".
	Is string
	// Next says what to do about it.
	Next string
	// Never tells that no daemon accepts it, however it is configured. It need not
	// be asked, and a secret in the text goes no further.
	Never bool
}

// Trim takes off what a shell or an editor adds to a token: blanks and line ends
// around it, and a byte order mark before it.
func Trim(text []byte) string {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	return string(bytes.Trim(text, " \t\r\n\v\f"))
}

// maxWrappers bounds how many things around a token are told.
const maxWrappers = 4

// Look tells what text is, which Trim has trimmed. It finds nothing in what has the
// form of an access token, and in what it does not know.
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

// look is Look for a text with nothing around it.
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

// What to do, where several findings say the same.
const (
	wanted   = "give the user's access token, alone: accessToken of the SDK's getAuthJson(), three segments with dots between"
	replace  = "have it replaced if it was shown; an access token is wanted here: accessToken of the SDK's getAuthJson()"
	copyAll  = "copy the token whole, from its first character to its last"
	copyHere = "copy the token again, and nothing but the token"
)
