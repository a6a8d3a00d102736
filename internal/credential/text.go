package credential

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

// encoded finds texts that are not ASCII.
func encoded(text string) Finding {
	switch {
	case strings.HasPrefix(text, "\xff\xfe"), strings.HasPrefix(text, "\xfe\xff"), strings.Count(text, "\x00") > len(text)/3:
		return Finding{"it is in UTF-16, as PowerShell's > writes", "write it with Set-Content -Encoding ascii", true}
	case strings.Contains(text, "\x1b["):
		return Finding{"it has a terminal's colour codes in it", "have the program that printed it print no colours (NO_COLOR=1, --no-color)", true}
	case !utf8.ValidString(text):
		return Finding{"it is no text: it has bytes that no encoding of text has", copyHere, true}
	}
	for at, r := range text {
		switch {
		case r > 0x7e:
			return Finding{fmt.Sprintf("it has a character that no token has, which is not ASCII, after %d others", utf8.RuneCountInString(text[:at])), copyHere, true}
		case r < ' ' && !strings.ContainsRune("\t\r\n\v\f", r):
			return Finding{fmt.Sprintf("it has a control character after %d others", at), copyHere, true}
		}
	}
	return Finding{}
}

// document finds JSON, PEM and HTML.
func document(text string) Finding {
	switch {
	case strings.HasPrefix(text, "-----BEGIN") && strings.Contains(text, "PRIVATE KEY"):
		return Finding{"this is a private key in PEM", "have it replaced if it was shown; " + wanted, true}
	case strings.HasPrefix(text, "-----BEGIN"):
		return Finding{"it is a key or a certificate in PEM", wanted, true}
	case strings.HasPrefix(text, "<!") || strings.HasPrefix(strings.ToLower(text), "<html"):
		return Finding{"it is a page of HTML, not what was asked for", "see what the program that fetched the token got instead of it", true}
	case strings.HasPrefix(text, "{"):
		return object(text)
	case strings.HasPrefix(text, "["):
		var pair []string
		if json.Unmarshal([]byte(text), &pair) == nil && len(pair) == 2 {
			return Finding{"it is the value of the cookie stack-access: a JSON array of the refresh token and the access token", "give the second of them alone (jq -r '.[1]')", true}
		}
		return Finding{"it is a JSON array", "give one token out of it, without quotes", true}
	}
	return Finding{}
}

// object recognises a JSON object by its members.
func object(text string) Finding {
	var members map[string]json.RawMessage
	if json.Unmarshal([]byte(text), &members) != nil {
		return Finding{"it begins as JSON does, and is none", copyHere, true}
	}
	for _, name := range []string{"accessToken", "access_token", "token", "jwt", "id_token"} {
		if _, there := members[name]; there {
			return Finding{"it is a JSON object with the member " + name, "give that member alone (jq -r ." + name + ")", true}
		}
	}
	switch {
	case members["keys"] != nil:
		return Finding{"it is a key set, which verifies tokens and is none", wanted, true}
	case members["kty"] != nil && members["d"] != nil:
		return Finding{"this is a private key as JSON", replace, true}
	case members["iss"] != nil || members["sub"] != nil:
		return Finding{"it is the claims of a token, decoded, without header and signature", "give the token as the client sends it", true}
	}
	return Finding{"it is a JSON object", wanted, true}
}

// lines finds several lines: two tokens, or one token that was broken into lines.
func lines(text string) Finding {
	if !strings.ContainsAny(text, "\r\n") {
		return Finding{}
	}
	var all []string
	for line := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == '\n' || r == '\r' }) {
		if line = strings.TrimSpace(line); line != "" {
			all = append(all, line)
		}
	}
	f := Finding{Is: fmt.Sprintf("it has %d lines, and a token has one", len(all)), Next: copyHere, Never: true}
	tokens := 0
	for _, line := range all {
		if strings.HasPrefix(line, "eyJ") && strings.Count(line, ".") == 2 {
			tokens++
		}
	}
	switch {
	case tokens == len(all):
		f.Is, f.Next = fmt.Sprintf("it has %d lines, each of them a token", len(all)), "give one of them"
	case tokens == 0 && strings.HasPrefix(all[0], "eyJ") && strings.Count(text, ".") == 2 && !strings.ContainsAny(text, " \t"):
		f.Is, f.Next = fmt.Sprintf("it has %d lines: one token, broken", len(all)), "join the lines (tr -d '\\r\\n')"
	}
	return f
}

// words finds blanks and commas between words of one line.
func words(text string) Finding {
	all := strings.Fields(text)
	switch {
	case len(all) > 1 && strings.HasPrefix(all[0], "curl"):
		return Finding{"it is a whole command", "give the token in its header alone", true}
	case len(all) > 1:
		return Finding{fmt.Sprintf("it has %d words with blanks between, and a token has none", len(all)), copyHere, true}
	case strings.HasPrefix(text, "eyJ") && strings.Contains(text, ","):
		return Finding{fmt.Sprintf("it has %d parts with commas between, as of two headers that were joined", strings.Count(text, ",")+1), "give one token", true}
	}
	return Finding{}
}
