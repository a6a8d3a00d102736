package upstream

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// sessionCookie carries the session credential.
const sessionCookie = "__Secure-neon-auth.session_token"

// session is a session credential of Better Auth: the session's token, signed.
type session struct{ token, signature string }

// IsSession reports whether credential has the form of a Better Auth session credential: a token of letters, digits,
// "-" and "_", a dot, and a HMAC-SHA-256 in padded base64. It may be given plainly or percent-encoded once, as it
// stands in the cookie. The form proves nothing; it only tells a session credential from a JWT, which has two dots.
func IsSession(credential []byte) bool {
	_, ok := parseSession(string(credential))
	return ok
}

// maxSessionToken is far beyond Better Auth's 32 characters.
const maxSessionToken = 512

func parseSession(credential string) (session, bool) {
	if strings.Contains(credential, "%") {
		plain, err := url.PathUnescape(credential) // unlike a query, a cookie has no "+" for a blank
		if err != nil {
			return session{}, false
		}
		credential = plain
	}
	token, signature, found := strings.Cut(credential, ".")
	if !found || token == "" || len(token) > maxSessionToken {
		return session{}, false
	}
	for i := range len(token) {
		if c := token[i]; !isAlnum(c) && c != '-' && c != '_' {
			return session{}, false
		}
	}
	// The decoder skips line breaks, which a header must not hold.
	hmac, err := base64.StdEncoding.Strict().DecodeString(signature)
	if err != nil || len(hmac) != 32 || !isVisible(signature) {
		return session{}, false
	}
	return session{token, signature}, true
}

// cookie returns the credential as a browser sends it, percent-encoded exactly once.
func (s session) cookie() string {
	return sessionCookie + "=" + s.token + "." + url.QueryEscape(s.signature)
}

// neonProfile asks get-session. The status says little: a dead session is a 200 with the body null. The header
// set-auth-jwt is no evidence of anything: a session that has just expired gets a fresh token there, beside the null.
func (c *Client) neonProfile(ctx context.Context, s session, subject string) (Profile, *Error) {
	a, e := c.get(ctx, c.endpoints.profile, http.Header{"Cookie": {s.cookie()}}, MaxProfileBody)
	if e != nil {
		return Profile{}, e
	}
	if e := c.judgeStatus(a.status, a.header); e != nil {
		return Profile{}, e
	}
	if a.status != http.StatusOK {
		return Profile{}, noKnownError(a.status, "get-session does not answer so; something else may have, check base_url")
	}
	if !isJSON(a.header) {
		return Profile{}, unusable(a.status, "the body is not JSON by its Content-Type")
	}
	if isNull(a.body) {
		return Profile{}, &Error{Meaning: Denied, Denial: Rejected, Status: a.status, detail: "there is no such session"}
	}
	body, err := readObject(a.body, profileRules)
	if err != nil {
		return Profile{}, unusable(a.status, "the body is neither null nor one strict JSON object: "+faultOf(err))
	}
	return c.readSession(body, s, subject, a.header)
}

// readSession reads the two halves of a get-session answer, which have to agree with each other and with the question.
// Only the user is handed on: the session's half holds its token, which with the signature is the credential itself.
func (c *Client) readSession(body object, s session, subject string, header http.Header) (Profile, *Error) {
	half, ok := body.inner("session")
	user, ok2 := body.inner("user")
	if !ok || !ok2 {
		return Profile{}, unusable(http.StatusOK, "the answer lacks session or user")
	}
	if err := profileRules.Members(user.compact, nil); err != nil { // for it is what is handed on
		return Profile{}, unusable(http.StatusOK, "the user is not one strict JSON object: "+faultOf(err))
	}
	id, ok := user.identifier("id")
	owner, ok2 := half.identifier("userId")
	if !ok || !ok2 {
		return Profile{}, unusable(http.StatusOK, "the answer does not say whose session it is")
	}
	token := half.text("token")
	if id != owner || subject != "" && id != subject || token != "" && token != s.token {
		return Profile{}, somebodyElse()
	}
	expires, err := time.Parse(time.RFC3339, half.text("expiresAt"))
	if err != nil {
		return Profile{}, unusable(http.StatusOK, "the session does not say when it ends")
	}
	if e := c.judgeSession(user, expires, header); e != nil {
		return Profile{}, e
	}
	number, _ := half.identifier("id")
	// Zero if it cannot be read: a session of unknown age counts as begun before anything.
	started, _ := time.Parse(time.RFC3339, half.text("createdAt"))
	return Profile{Body: user.compact, Subject: id, Session: number, Started: started, Expires: expires}, nil
}

// judgeSession denies what the upstream itself denies as soon as it looks: sessions that are over, and banned users. It
// looks by the upstream's clock, as the answer's Date tells it.
func (c *Client) judgeSession(user object, expires time.Time, header http.Header) *Error {
	now, err := http.ParseTime(header.Get("Date"))
	own := err != nil
	if own {
		now = c.config.Now()
	}
	if !now.Before(expires) {
		return &Error{Meaning: Denied, Denial: Expired, Status: http.StatusOK, OwnClock: own, detail: "the session is over"}
	}
	banned, ok := user.flag("banned")
	if !ok {
		return unusable(http.StatusOK, "the user's flags are not true or false")
	}
	if !banned {
		return nil
	}
	if end, err := time.Parse(time.RFC3339, user.text("banExpires")); err == nil && !now.Before(end) {
		return nil // lifted upstream at the next sign-in
	}
	return &Error{Meaning: Denied, Denial: ClassNotAllowed, Status: http.StatusOK, OwnClock: own, detail: "the user is banned"}
}
