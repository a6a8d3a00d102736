package httpauth

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

const blanks = " \t"

func trim(s string) string { return strings.Trim(s, blanks) }

// bearer returns the credential in a value of Authorization. ok is false if the
// scheme is not Bearer.
func bearer(value string) (credential string, ok bool) {
	const scheme = "bearer"
	value = trim(value)
	if len(value) < len(scheme) || !equalFold(value[:len(scheme)], scheme) {
		return "", false
	}
	rest := value[len(scheme):]
	if rest != "" && !strings.Contains(blanks, rest[:1]) {
		return "", false // another scheme, which only begins with "bearer"
	}
	return trim(rest), true
}

// equalFold ignores the case of ASCII letters only: strings.EqualFold would
// take the long s (U+017F) for an s.
func equalFold(s, lower string) bool {
	for i := range len(s) {
		if s[i]|0x20 != lower[i] {
			return false
		}
	}
	return true
}

// lookInAuthorization takes the credential of the scheme Bearer. Another scheme
// alone carries no token. Another scheme beside Bearer is a fault, because the
// next server may choose the other one.
func (f *finder) lookInAuthorization(values []string) {
	ours, others := false, false
	for _, value := range values {
		credential, ok := bearer(value)
		switch {
		case ok:
			ours = ours || credential != ""
			f.foundCredential(credential)
		case listsBearer(value):
			f.fail(FaultTwoTokens)
		default:
			others = others || trim(value) != ""
		}
	}
	if ours && others {
		f.fail(FaultTwoTokens)
	}
}

// listsBearer reports whether the value is a list with a Bearer credential in
// it. A server that joins two headers into one makes such a value.
func listsBearer(value string) bool {
	for part := range strings.SplitSeq(value, ",") {
		if credential, ok := bearer(part); ok && credential != "" {
			return true
		}
	}
	return false
}

// lookInHeader takes a token, with or without "Bearer" before it.
func (f *finder) lookInHeader(values []string) {
	for _, value := range values {
		if credential, ok := bearer(value); ok {
			f.foundCredential(credential)
		} else {
			f.foundOne(value)
		}
	}
}

// foundCredential takes a token, or the envelope of an SDK with a token in it.
func (f *finder) foundCredential(credential string) {
	for _, prefix := range [...]string{"stackauth_", "hexclave_"} {
		if packed, ok := strings.CutPrefix(credential, prefix); ok {
			f.foundInEnvelope(packed)
			return
		}
	}
	f.foundOne(credential)
}

// foundOne takes one token. A comma in it makes it a list of tokens, which is a
// fault.
func (f *finder) foundOne(token string) {
	if strings.Contains(token, ",") {
		f.fail(FaultTwoTokens)
		return
	}
	f.found(token)
}

// foundInEnvelope decodes the result of the SDK's getAuthorizationHeader:
// base64 of a JSON object with both tokens. The refresh token is not used.
func (f *finder) foundInEnvelope(packed string) {
	object, err := base64.StdEncoding.DecodeString(packed)
	if err != nil {
		object, err = base64.RawStdEncoding.DecodeString(packed)
	}
	if err != nil || len(object) == 0 {
		f.fail(FaultUnreadable)
		return
	}
	f.foundInObject(object)
}

// foundInObject takes the member accessToken of the JSON object that the SDK's
// getAuthJson makes; null means that nobody is signed in. The name must match
// exactly, as in the SDK, where encoding/json would ignore case. If two members
// have this name, both count, because readers differ in which one they take.
func (f *finder) foundInObject(object []byte) {
	if len(object) == 0 {
		return
	}
	if !utf8.Valid(object) || !json.Valid(object) {
		f.fail(FaultUnreadable)
		return
	}
	d := json.NewDecoder(bytes.NewReader(object))
	if first, err := d.Token(); err != nil || first != json.Delim('{') {
		f.fail(FaultUnreadable)
		return
	}
	for d.More() {
		name, err := d.Token()
		var value json.RawMessage
		if err == nil {
			err = d.Decode(&value)
		}
		if err != nil {
			f.fail(FaultUnreadable)
			return
		}
		if name != "accessToken" || string(value) == "null" {
			continue
		}
		if token, ok := text(value); ok {
			f.found(token)
		} else {
			f.fail(FaultUnreadable)
		}
	}
}

// lookInSDKCookies follows the SDK: the older cookie counts only if there is
// none with the newer name. A browser keeps the older cookie for a day after
// the application moved to the newer SDK.
func (f *finder) lookInSDKCookies(h http.Header) {
	for _, name := range [...]string{hexclaveCookie, stackCookie} {
		var tokens []string
		for _, value := range cookies(h, name) {
			if token := accessOfCookie(value); token != "" {
				tokens = append(tokens, token)
			}
		}
		if len(tokens) > 0 {
			f.foundCookies(tokens)
			return
		}
	}
}

// accessOfCookie returns the second element of the JSON array [refresh,
// access]. A cookie that cannot be read counts as absent, as in the SDK: a
// fault would refuse every request until the browser drops the cookie.
func accessOfCookie(value string) string {
	if strings.Contains(value, "%") {
		decoded, err := url.PathUnescape(value)
		if err != nil {
			return ""
		}
		value = decoded
	}
	var pair []json.RawMessage
	if !utf8.ValidString(value) || json.Unmarshal([]byte(value), &pair) != nil || len(pair) != 2 {
		return ""
	}
	token, _ := text(pair[1])
	return trim(token)
}

// text decodes a JSON string. ok is false for every other value.
func text(value json.RawMessage) (s string, ok bool) {
	if len(value) == 0 || value[0] != '"' {
		return "", false
	}
	return s, json.Unmarshal(value, &s) == nil
}

// cookies returns the values of all cookies with this name, without the quotes
// around them. The standard library's parser drops values with quotes inside,
// and the SDK's values may contain quotes.
func cookies(h http.Header, name string) []string {
	var all []string
	for _, line := range h["Cookie"] {
		if !strings.Contains(line, name) {
			continue
		}
		for part := range strings.SplitSeq(line, ";") {
			if value, ok := strings.CutPrefix(trim(part), name+"="); ok {
				all = append(all, unquoted(trim(value)))
			}
		}
	}
	return all
}

func unquoted(value string) string {
	if n := len(value); n >= 2 && value[0] == '"' && value[n-1] == '"' {
		return trim(value[1 : n-1])
	}
	return value
}
