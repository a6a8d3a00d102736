package upstream

import (
	"context"
	"net/http"
	"time"

	"github.com/neonauthd/neonauthd/protocol"
)

// neonProfile asks get-session. The status says little: a dead session is a 200 with the body null. The header
// set-auth-jwt is no evidence of anything: a session that has just expired gets a fresh token there, beside the null.
func (c *Client) neonProfile(ctx context.Context, s Session, subject string) (Profile, *Error) {
	a, e := c.get(ctx, c.endpoints.profile, s.header(), MaxProfileBody)
	if e != nil {
		return Profile{}, e
	}
	if e := c.judgeStatus(a.status, a.header); e != nil {
		return Profile{}, e
	}
	if a.status != http.StatusOK {
		return Profile{}, c.paced(a, noKnownError(a.status, "get-session does not answer so; something else may have, check base_url"))
	}
	if !isJSON(a.header) {
		return Profile{}, unusable(a.status, "the body is not JSON by its Content-Type")
	}
	if isNull(a.body) {
		return Profile{}, &Error{Meaning: Denied, Denial: protocol.ReasonRejectedUpstream, Status: a.status, detail: "there is no such session"}
	}
	body, err := readObject(a.body, profileRules)
	if err != nil {
		return Profile{}, notStrict(a.status, "the body is neither null nor one strict JSON object: ", err)
	}
	return readSession(body, s, subject, a.at)
}

// readSession reads the two halves of a get-session answer, which have to agree with each other and with the question.
// Only the user is passed on: the session's half holds its token, which together with the signature is the credential
// itself.
func readSession(body object, s Session, subject string, at instants) (Profile, *Error) {
	half, ok := body.inner("session")
	user, ok2 := body.inner("user")
	if !ok || !ok2 {
		return Profile{}, unusable(http.StatusOK, "the answer lacks session or user")
	}
	if err := profileRules.Members(user.compact, nil); err != nil { // because the user is what is passed on
		return Profile{}, notStrict(http.StatusOK, "the user is not one strict JSON object: ", err)
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
	if e := judgeSession(user, expires, at); e != nil {
		return Profile{}, e
	}
	number, _ := half.identifier("id")
	// Zero if it cannot be read: a session of unknown age counts as begun before anything.
	started, _ := time.Parse(time.RFC3339, half.text("createdAt"))
	return Profile{Body: user.compact, Subject: id, Session: number, Started: started, Expires: expires}, nil
}

// judgeSession denies sessions that are over, and banned users, as the upstream does itself at its next check. If the
// clocks differ about whether a ban is over, the answer is doubtful, whichever of them says so.
func judgeSession(user object, expires time.Time, at instants) *Error {
	switch over, sure := at.holds(func(now time.Time) bool { return !now.Before(expires) }); {
	case over && !sure:
		return doubtful(http.StatusOK)
	case over:
		return &Error{Meaning: Denied, Denial: protocol.ReasonExpired, Status: http.StatusOK, OwnClock: !at.dated, detail: "the session is over"}
	}
	banned, ok := user.flag("banned")
	if !ok {
		return unusable(http.StatusOK, "the user's flags are not true or false")
	}
	if !banned {
		return nil
	}
	no := &Error{Meaning: Denied, Denial: protocol.ReasonClassNotAllowed, Status: http.StatusOK, detail: "the user is banned"}
	end, err := time.Parse(time.RFC3339, user.text("banExpires"))
	if err != nil { // a ban without an end
		return no
	}
	no.OwnClock = !at.dated
	switch over, sure := at.holds(func(now time.Time) bool { return !now.Before(end) }); {
	case !sure:
		return doubtful(http.StatusOK)
	case over:
		return nil // the upstream lifts the ban at the next sign-in
	}
	return no
}
