package upstream

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// sessionCookie carries the session credential at Neon.
const sessionCookie = "__Secure-neon-auth.session_token"

// sessionCookies are the names under which a credential may be given together with its cookie's: Neon's, with its older
// spelling, and those of a Better Auth that somebody hosts.
func sessionCookies() []string {
	return []string{sessionCookie, "__Secure-neonauth.session_token", "__Secure-better-auth.session_token", "better-auth.session_token"}
}

// Bounds of a session's token. Better Auth makes it of 32 letters and digits.
const (
	minRawSession   = 32 // without its signature: only the length tells such a token from a word
	maxSessionToken = 512
)

// Session is a session credential of Better Auth, which only the upstream can judge.
type Session struct {
	cookie    string // the cookie's name
	token     string
	signature string // empty: the bare token, which an upstream takes that has the plugin "bearer"
}

// ParseSession reads a session credential, however it is spelled, and reports whether it has the form of one: a token
// of letters, digits, "-" and "_", a dot, and a HMAC-SHA-256 in padded base64. It may be percent-encoded once, as it
// stands in the cookie, and may have the cookie's name and "=" before it. The token may come alone if it has at least 32
// letters and digits. The form proves nothing; it only tells a session credential from a JWT, which has two dots, and
// from text that can be no credential.
func ParseSession(credential []byte) (Session, bool) {
	s, text := Session{cookie: sessionCookie}, string(credential)
	if name, value, found := strings.Cut(text, "="); found && slices.Contains(sessionCookies(), name) {
		s.cookie, text = name, value
	}
	if strings.Contains(text, "%") {
		plain, err := url.PathUnescape(text) // unlike a query, a cookie has no "+" for a blank
		if err != nil {
			return Session{}, false
		}
		text = plain
	}
	var signed bool
	s.token, s.signature, signed = strings.Cut(text, ".")
	if s.token == "" || len(s.token) > maxSessionToken || !signed && len(s.token) < minRawSession {
		return Session{}, false
	}
	for i := range len(s.token) {
		if c := s.token[i]; !isAlnum(c) && (!signed || c != '-' && c != '_') {
			return Session{}, false
		}
	}
	if !signed {
		return s, true
	}
	// The decoder skips line breaks, which a header must not hold.
	hmac, err := base64.StdEncoding.Strict().DecodeString(s.signature)
	return s, err == nil && len(hmac) == 32 && isVisible(s.signature)
}

// Canonical returns the one spelling that stands for all spellings of the same credential: what is known of one of them
// is known of the others. It is as secret as the credential.
func (s Session) Canonical() []byte {
	text := s.token
	if s.signature != "" {
		text += "." + s.signature
	}
	if s.cookie != sessionCookie { // the upstream is asked with this cookie
		text = s.cookie + "=" + text
	}
	return []byte(text)
}

// Token returns the session's token, which all credentials of the session have in common, also one with another
// signature or with none. It is as secret as a credential, but proves less. Nothing may be accepted because its token
// is known, but whatever forbids one credential of a session forbids all of them.
func (s Session) Token() []byte { return []byte(s.token) }

// header is how the upstream is asked about the credential: with the cookie as a browser sends it, percent-encoded
// exactly once, or with the bare token as the plugin "bearer" takes it.
func (s Session) header() http.Header {
	if s.signature == "" {
		return http.Header{"Authorization": {"Bearer " + s.token}}
	}
	return http.Header{"Cookie": {s.cookie + "=" + s.token + "." + url.QueryEscape(s.signature)}}
}
