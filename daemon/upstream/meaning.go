package upstream

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/neonauthd/neonauthd/daemon/upstream/delay"
	"github.com/neonauthd/neonauthd/protocol"
)

// This file holds what answers mean. The lists are closed: a code that is not on them is a misconfiguration, never a
// denial. They follow Stack Auth's packages/stack-shared/src/known-errors.tsx and the order of checks in
// apps/backend/src/route-handlers/smart-request.tsx, and for OpenID Connect RFC 6750 section 3.1.

// stackCode returns the meaning of a known error of Stack Auth; false for a code that is not on the list.
//
// The upstream judges the token before the server key, so a denial can be trusted even while the key is wrong.
func stackCode(code string) (Meaning, protocol.Reason, bool) {
	switch code {
	case "ACCESS_TOKEN_EXPIRED":
		return Denied, protocol.ReasonExpired, true
	case "UNPARSABLE_ACCESS_TOKEN", "INVALID_PROJECT_FOR_ACCESS_TOKEN":
		return Denied, protocol.ReasonRejectedUpstream, true
	case "ANONYMOUS_AUTHENTICATION_NOT_ALLOWED", "RESTRICTED_USER_NOT_ALLOWED":
		return Denied, protocol.ReasonClassNotAllowed, true
	case "USER_NOT_FOUND", codeNoUser:
		return Denied, protocol.ReasonUserNotFound, true
	case "PROJECT_KEY_WITHOUT_ACCESS_TYPE", "ACCESS_TYPE_REQUIRED", "INVALID_ACCESS_TYPE",
		"ACCESS_TYPE_WITHOUT_PROJECT_ID", "INSUFFICIENT_ACCESS_TYPE",
		"CURRENT_PROJECT_NOT_FOUND", "PROJECT_NOT_FOUND", "BRANCH_DOES_NOT_EXIST", "EXPECTED_INTERNAL_PROJECT",
		"SERVER_AUTHENTICATION_REQUIRED", "INVALID_SECRET_SERVER_KEY",
		"CLIENT_AUTHENTICATION_REQUIRED", "PUBLISHABLE_CLIENT_KEY_REQUIRED_FOR_PROJECT", "INVALID_PUBLISHABLE_CLIENT_KEY",
		"ADMIN_AUTHENTICATION_REQUIRED", "INVALID_SUPER_SECRET_ADMIN_KEY",
		"CLIENT_OR_SERVER_AUTHENTICATION_REQUIRED", "CLIENT_OR_ADMIN_AUTHENTICATION_REQUIRED",
		"CLIENT_OR_SERVER_OR_ADMIN_AUTHENTICATION_REQUIRED",
		"PROJECT_AUTHENTICATION_ERROR", "INVALID_PROJECT_AUTHENTICATION", "PROJECT_AUTHENTICATION_REQUIRED",
		"SCHEMA_ERROR", "BODY_PARSING_ERROR", "ALL_OVERLOADS_FAILED":
		return Misconfigured, "", true
	}
	return Misconfigured, "", false
}

// codeNoUser says that there is no user behind the request. With a token sent the user is gone; without one it
// shows that project and key are right, since both are checked before it.
const codeNoUser = "CANNOT_GET_OWN_USER_WITHOUT_USER"

// bearerCode returns the meaning of an error code of RFC 6750 section 3.1 under the status it belongs to.
func bearerCode(code string, status int) (Meaning, protocol.Reason, bool) {
	switch {
	case code == "invalid_token" && status == http.StatusUnauthorized:
		return Denied, protocol.ReasonRejectedUpstream, true
	case code == "insufficient_scope" && status == http.StatusForbidden,
		code == "invalid_request" && status == http.StatusBadRequest:
		return Misconfigured, "", true
	}
	return Misconfigured, "", false
}

// judgeStatus judges every status that needs no code. It returns nil for 200, and for each 4xx that may have a code.
func (c *Client) judgeStatus(status int, header http.Header) *Error {
	switch {
	case status == http.StatusTooManyRequests:
		return &Error{Status: status, RetryAfter: delay.RetryAfter(header, c.config.Now(), MaxRetryAfter), detail: "the upstream's own limit is reached", outcome: failed}
	case status >= 500:
		return &Error{Status: status, RetryAfter: delay.RetryAfter(header, c.config.Now(), MaxRetryAfter), outcome: failed}
	case status == http.StatusRequestTimeout, status == http.StatusTooEarly:
		return &Error{Status: status, RetryAfter: delay.RetryAfter(header, c.config.Now(), MaxRetryAfter)}
	case status >= 300 && status < 400:
		return &Error{Meaning: Misconfigured, Status: status, detail: "redirects are not followed; write the final address"}
	case status >= 400, status == http.StatusOK:
		return nil
	}
	return &Error{Meaning: Misconfigured, Status: status, detail: "a success that is not an answer"}
}

// noKnownError is the judgement on a 4xx without a code we know: a firewall, a proxy, a newer upstream.
func noKnownError(status int, detail string) *Error {
	return &Error{Meaning: Misconfigured, Status: status, detail: detail}
}

// paced adds to a failure how long its answer, a 4xx or 5xx, asks not to be called. A denial is an answer to the question,
// and asks for no pause.
func (c *Client) paced(a *answer, e *Error) *Error {
	if e != nil && e.Meaning != Denied && e.RetryAfter == 0 && a.status >= 400 {
		e.RetryAfter = delay.RetryAfter(a.header, c.config.Now(), MaxRetryAfter)
	}
	return e
}

// judgeStack returns nil if a users/me answer is a success whose body may be read as a profile.
func (c *Client) judgeStack(a *answer) *Error { return c.judgeKnown(a, stackCode) }

// judgeKnown returns nil if an answer of Stack Auth is a success, and else what its code means.
func (c *Client) judgeKnown(a *answer, meaningOf func(string) (Meaning, protocol.Reason, bool)) *Error {
	return c.paced(a, c.judgeCode(a, meaningOf))
}

func (c *Client) judgeCode(a *answer, meaningOf func(string) (Meaning, protocol.Reason, bool)) *Error {
	status, ok := trueStatus(a)
	if !ok {
		return noKnownError(a.status, "its headers disagree about the true status")
	}
	if e := c.judgeStatus(status, a.header); e != nil {
		return e
	}
	code, ok := agreeing(a.header, "X-Stack-Known-Error", "X-Hexclave-Known-Error")
	switch {
	case !ok:
		return noKnownError(status, "its headers disagree about the error")
	case code == "" && status == http.StatusOK:
		return nil
	case code == "":
		return noKnownError(status, "no known error; something else than the upstream may have answered")
	}
	body, err := readObject(a.body, documentRules)
	if err != nil || body.text("code") != code {
		return noKnownError(status, "header and body disagree about the error")
	}
	meaning, denial, known := meaningOf(code)
	if !known {
		return noKnownError(status, "an error code this version does not know")
	}
	return &Error{Meaning: meaning, Denial: denial, Code: code, Status: status}
}

// trueStatus returns the status the upstream meant. Stack Auth can be asked to send 200 for an error, with the true
// status in a header. We never ask for this, but something between may.
func trueStatus(a *answer) (status int, ok bool) {
	if a.status != http.StatusOK {
		return a.status, true
	}
	text, ok := agreeing(a.header, "X-Stack-Actual-Status", "X-Hexclave-Actual-Status")
	if !ok || text == "" {
		return a.status, ok
	}
	status, err := strconv.Atoi(text)
	return status, err == nil && status >= 100 && status <= 999
}

// agreeing returns the value of a header that goes by two names. Both may be there, also more than once, if they agree.
func agreeing(header http.Header, names ...string) (value string, ok bool) {
	seen := false
	for _, name := range names {
		for _, v := range header.Values(name) {
			if seen && v != value {
				return "", false
			}
			value, seen = v, true
		}
	}
	return value, !seen || value != ""
}

// challengeCode returns the error code of a Bearer challenge (RFC 6750 section 3), empty if there is none or it
// cannot be read with certainty.
func challengeCode(header http.Header) string {
	for _, challenge := range header.Values("WWW-Authenticate") {
		scheme, params, _ := strings.Cut(challenge, " ")
		if !strings.EqualFold(scheme, "Bearer") {
			continue
		}
		for params = strings.TrimLeft(params, " ,"); params != ""; params = strings.TrimLeft(params, " ,") {
			name, value, rest, ok := cutParam(params)
			if !ok {
				return ""
			}
			if strings.EqualFold(name, "error") {
				return value
			}
			params = rest
		}
	}
	return ""
}

// cutParam cuts one name=value or name="value" off the front of an authentication challenge (RFC 9110 section 11.2).
func cutParam(text string) (name, value, rest string, ok bool) {
	name, text, ok = strings.Cut(text, "=")
	if !ok || !isVisible(name) || strings.Contains(name, ",") {
		return "", "", "", false
	}
	if !strings.HasPrefix(text, `"`) {
		end := strings.IndexAny(text, " ,")
		if end < 0 {
			end = len(text)
		}
		return name, text[:end], text[end:], true
	}
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '"':
			return name, b.String(), text[i+1:], true
		case text[i] == '\\' && i+1 < len(text):
			i++
		}
		b.WriteByte(text[i])
	}
	return "", "", "", false
}
