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

// bearer takes the credential out of a value of Authorization. ok is false for
// another scheme.
func bearer(value string) (credential string, ok bool) {
	const scheme = "bearer"
	value = trim(value)
	if len(value) < len(scheme) || !equalFold(value[:len(scheme)], scheme) {
		return "", false
	}
	rest := value[len(scheme):]
	if rest != "" && !strings.Contains(blanks, rest[:1]) {
		return "", false // another scheme that begins the same
	}
	return trim(rest), true
}

// equalFold compares letters of ASCII only: strings.EqualFold knows a long s.
func equalFold(s, lower string) bool {
	for i := range len(s) {
		if s[i]|0x20 != lower[i] {
			return false
		}
	}
	return true
}

// lookInAuthorization takes the scheme Bearer. Another scheme holds no token,
// but beside Bearer nobody knows which of the two the next reader goes by.
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

// listsBearer finds Bearer behind another scheme: what a server makes of two
// headers that it joins.
func listsBearer(value string) bool {
	for part := range strings.SplitSeq(value, ",") {
		if credential, ok := bearer(part); ok && credential != "" {
			return true
		}
	}
	return false
}

// lookInHeader takes a token that stands alone or behind "Bearer".
func (f *finder) lookInHeader(values []string) {
	for _, value := range values {
		if credential, ok := bearer(value); ok {
			f.foundCredential(credential)
		} else {
			f.foundOne(value)
		}
	}
}

// foundCredential takes a token or an SDK's envelope around it.
func (f *finder) foundCredential(credential string) {
	for _, prefix := range [...]string{"stackauth_", "hexclave_"} {
		if packed, ok := strings.CutPrefix(credential, prefix); ok {
			f.foundInEnvelope(packed)
			return
		}
	}
	f.foundOne(credential)
}

// foundOne takes a token, which has no comma in it: that would be a list.
func (f *finder) foundOne(token string) {
	if strings.Contains(token, ",") {
		f.fail(FaultTwoTokens)
		return
	}
	f.found(token)
}

// foundInEnvelope opens what the SDK's getAuthorizationHeader makes: base64 of
// the JSON object with both tokens. The refresh token goes no further than this.
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

// foundInObject takes accessToken out of the JSON object that the SDK's
// getAuthJson makes; null says that nobody is signed in. The name counts to the
// letter, as for the SDK; encoding/json would take any case of it. Of two
// members of that name readers differ in which one they take, so both count.
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

// lookInSDKCookies does as the SDK does: the cookie under the newer name
// counts, and the older one only without it, for a browser keeps that for a day
// after its application moved to the newer SDK.
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

// accessOfCookie takes the second half of the JSON array [refresh, access]. A
// cookie that cannot be read counts as absent, as for the SDK: a refusal would
// last until the browser drops the cookie.
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

// text decodes a JSON string; ok is false for every other value.
func text(value json.RawMessage) (s string, ok bool) {
	if len(value) == 0 || value[0] != '"' {
		return "", false
	}
	return s, json.Unmarshal(value, &s) == nil
}

// cookies returns the values of every cookie of a name, without quotes around
// them. The standard library's parser drops values with quotes inside, and an
// SDK's may have some.
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
