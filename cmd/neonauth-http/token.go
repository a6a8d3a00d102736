package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/neonauthd/neonauthd/internal/strictjson"
)

// place is where a request may carry a token.
type place struct {
	kind   placeKind
	header string // canonical, of placeHeader
	cookie string // of placeCookie
}

type placeKind uint8

const (
	placeAuthorization placeKind = iota + 1 // RFC 6750 section 2.1, plain or in an SDK's envelope
	placeSDKHeader                          // x-stack-access-token, x-hexclave-access-token, x-stack-auth
	placeSDKCookie                          // stack-access, hexclave-access
	placeHeader                             // a header that the configuration names
	placeCookie                             // a cookie that the configuration names
)

// errTwoTokens: the request carries two different tokens. Whoever reads it next
// might take the other one for the one that was judged.
var errTwoTokens = errors.New("two different tokens")

// findToken looks in each place and returns the one token of the request, "" if
// there is none.
func findToken(h http.Header, places []place) (string, error) {
	var f finder
	for i := range places {
		places[i].look(h, &f)
	}
	if f.several {
		return "", errTwoTokens
	}
	return f.token, nil
}

// finder keeps the token found so far.
type finder struct {
	token   string
	several bool
}

func (f *finder) found(token string) {
	switch {
	case token == "" || token == f.token:
	case f.token == "":
		f.token = token
	default:
		f.several = true
	}
}

func (f *finder) foundAll(tokens []string) {
	for _, token := range tokens {
		f.found(token)
	}
}

// vary are the headers in which a place looks.
func (p *place) vary() []string {
	switch p.kind {
	case placeAuthorization:
		return []string{"Authorization"}
	case placeSDKHeader:
		return []string{"X-Stack-Access-Token", "X-Hexclave-Access-Token", "X-Stack-Auth"}
	case placeHeader:
		return []string{p.header}
	case placeSDKCookie, placeCookie:
	}
	return []string{"Cookie"}
}

func (p *place) look(h http.Header, f *finder) {
	switch p.kind {
	case placeAuthorization:
		for _, value := range h["Authorization"] {
			f.foundAll(bearer(value))
		}
	case placeSDKHeader:
		for _, value := range h["X-Stack-Access-Token"] {
			f.found(value)
		}
		for _, value := range h["X-Hexclave-Access-Token"] {
			f.found(value)
		}
		for _, value := range h["X-Stack-Auth"] {
			f.foundAll(accessOfObject([]byte(value)))
		}
	case placeSDKCookie:
		lookForSDKCookie(h, f)
	case placeHeader:
		for _, value := range h[p.header] {
			if tokens := bearer(value); len(tokens) > 0 {
				f.foundAll(tokens)
			} else {
				f.found(value)
			}
		}
	case placeCookie:
		for _, value := range cookies(h, p.cookie) {
			f.found(value)
		}
	}
}

// bearer takes the token out of Authorization; another scheme has none. An
// SDK's envelope may turn out to hold several.
func bearer(value string) []string {
	const scheme = "bearer"
	if len(value) <= len(scheme) || value[len(scheme)] != ' ' || !sameFold(value[:len(scheme)], scheme) {
		return nil
	}
	credential := strings.Trim(value[len(scheme):], " ")
	for _, prefix := range [...]string{"stackauth_", "hexclave_"} {
		if packed, ok := strings.CutPrefix(credential, prefix); ok {
			return accessOfEnvelope(packed)
		}
	}
	if credential == "" {
		return nil
	}
	return []string{credential}
}

// sameFold compares letters of ASCII only: strings.EqualFold knows a long s.
func sameFold(s, lower string) bool {
	for i := range len(s) {
		if s[i]|0x20 != lower[i] {
			return false
		}
	}
	return true
}

// accessOfEnvelope opens the SDK's getAuthorizationHeader: base64 of the JSON
// object with both tokens. The refresh token goes no further than this.
func accessOfEnvelope(packed string) []string {
	object, err := base64.StdEncoding.DecodeString(packed)
	if err != nil {
		if object, err = base64.RawStdEncoding.DecodeString(packed); err != nil {
			return nil
		}
	}
	return accessOfObject(object)
}

// accessOfObject takes accessToken out of the JSON object with both tokens. The
// name counts to the letter, as for the SDK; encoding/json would take any case
// of it. Of two members of that name readers differ in which one they take, so
// both are returned.
func accessOfObject(object []byte) (tokens []string) {
	whole := strictjson.Each(object, func(name []byte, value strictjson.Value) {
		if token, ok := strictjson.Text(value); ok && string(name) == "accessToken" {
			tokens = append(tokens, token)
		}
	})
	if !whole {
		return nil
	}
	return tokens
}

// lookForSDKCookie does as the SDK does: the cookie under the newer name counts,
// and the older one only without it, for a browser keeps that for a day after
// its application moved to the newer SDK.
func lookForSDKCookie(h http.Header, f *finder) {
	for _, name := range [...]string{"hexclave-access", "stack-access"} {
		all := cookies(h, name)
		for _, value := range all {
			f.found(accessOfCookie(value))
		}
		if len(all) > 0 {
			return
		}
	}
}

// accessOfCookie takes the second half of the JSON array [refresh, access].
func accessOfCookie(value string) string {
	if strings.Contains(value, "%") {
		decoded, err := url.PathUnescape(value)
		if err != nil {
			return ""
		}
		value = decoded
	}
	var pair []string
	if json.Unmarshal([]byte(value), &pair) != nil || len(pair) != 2 {
		return ""
	}
	return pair[1]
}

// cookies returns the values of every cookie of a name, as they stand. The
// standard library's parser drops values with quotes, and an SDK's may have
// some.
func cookies(h http.Header, name string) []string {
	var all []string
	for _, line := range h["Cookie"] {
		if !strings.Contains(line, name) {
			continue
		}
		for part := range strings.SplitSeq(line, ";") {
			if value, ok := strings.CutPrefix(strings.TrimLeft(part, " "), name+"="); ok {
				all = append(all, value)
			}
		}
	}
	return all
}
