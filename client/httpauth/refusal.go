package httpauth

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/protocol"
)

const (
	// DefaultRetryAfter is the Retry-After of a 503 when the daemon advises
	// none.
	DefaultRetryAfter = time.Second

	// MaxRetryAfter is the greatest Retry-After of a 503: the daemon may well
	// be back earlier than it advised.
	MaxRetryAfter = time.Minute
)

// ReasonNoToken is the Reason of a request that carries no token.
const ReasonNoToken = "no-token"

// Refusal is the response to a request that is refused. The zero value is not a
// refusal; the functions of this package make refusals.
type Refusal struct {
	// Status is 400, 401, 403 or 503. If nothing was learnt about the token, it
	// is never 401, which would log the user out.
	Status int

	// Error is the error code of RFC 6750 section 3.1; "" if the response has
	// none.
	Error string

	// Reason is one word for people and for counters: a Fault, a
	// protocol.Reason, a protocol.Code, ReasonNoToken, or a reason of the
	// caller. "" if the reason is not known, for example because the daemon
	// could not be reached.
	Reason string

	// Scope lists the scopes that the request needs, separated by blanks; "" if
	// the response does not name them.
	Scope string

	// ResourceMetadata is the address of the protected resource's metadata (RFC
	// 9728 section 5.1), which names the issuers of its tokens; "": none.
	ResourceMetadata string

	// RetryAfter is when the request may be repeated after a 503: whole
	// seconds, from 1 to 60.
	RetryAfter time.Duration
}

// RefusalOf returns the refusal for the daemon's answer. Package protocol
// defines the status of each outcome. refused is false only for
// client.Accepted.
func RefusalOf(answer client.Answer) (refusal Refusal, refused bool) {
	switch a := answer.(type) {
	case client.Accepted:
		return Refusal{}, false
	case client.Rejected:
		if protocol.Rejected(a.Reason).HTTPStatus() == http.StatusForbidden {
			return Denied(string(a.Reason)), true
		}
		return InvalidToken(string(a.Reason)), true
	case client.Unknown:
		return Unavailable(string(a.Code), a.RetryAfter), true
	}
	return Unavailable("", 0), true // without an answer there is no proof
}

// Refusal returns the refusal of a request that can be refused without asking
// the daemon. refused is false if there is a token to ask about.
func (r Result) Refusal() (refusal Refusal, refused bool) {
	switch {
	case r.Fault != "":
		return Refusal{Status: http.StatusBadRequest, Error: "invalid_request", Reason: string(r.Fault)}, true
	case len(r.Tokens) == 0:
		// RFC 6750 section 3.1: no error code for a request without any
		// authentication information.
		return Refusal{Status: http.StatusUnauthorized, Reason: ReasonNoToken}, true
	}
	return Refusal{}, false
}

// InvalidToken returns the refusal (401) for a token that the daemon has
// rejected.
func InvalidToken(reason string) Refusal {
	return Refusal{Status: http.StatusUnauthorized, Error: "invalid_token", Reason: reason}
}

// Denied returns the refusal (403) for a verified user who must not have what
// the request asks for.
func Denied(reason string) Refusal {
	return Refusal{Status: http.StatusForbidden, Error: "insufficient_scope", Reason: reason}
}

// Unavailable returns the refusal (503) for a request about whose token nothing
// was learnt. after is when asking again makes sense; 0: not known.
func Unavailable(reason string, after time.Duration) Refusal {
	if after <= 0 {
		after = DefaultRetryAfter
	}
	after = min(after, MaxRetryAfter)
	return Refusal{Status: http.StatusServiceUnavailable, Reason: reason, RetryAfter: (after + time.Second - 1).Truncate(time.Second)}
}

// SetHeaders sets the headers of the refusal: Cache-Control, and Retry-After
// with a 503 or else WWW-Authenticate. An empty realm is left out.
func (r Refusal) SetHeaders(h http.Header, realm string) {
	h.Set("Cache-Control", "no-store")
	if r.Status == http.StatusServiceUnavailable {
		h.Set("Retry-After", strconv.Itoa(int(r.RetryAfter/time.Second)))
		return
	}
	h.Set("WWW-Authenticate", r.challenge(realm))
}

// challenge returns the value of WWW-Authenticate (RFC 6750 section 3). Its
// reason tells the holder of a bad token no more than the token itself does.
func (r Refusal) challenge(realm string) string {
	var params []string
	if realm != "" {
		params = append(params, "realm="+quotedString(realm))
	}
	if r.Error != "" {
		params = append(params, "error="+quotedString(r.Error))
	}
	if r.Scope != "" {
		params = append(params, "scope="+quotedString(r.Scope))
	}
	if r.Error != "" && r.Reason != "" {
		params = append(params, "error_description="+quotedString(r.Reason))
	}
	if r.ResourceMetadata != "" {
		params = append(params, "resource_metadata="+quotedString(r.ResourceMetadata))
	}
	if len(params) == 0 {
		return "Bearer"
	}
	return "Bearer " + strings.Join(params, ", ")
}

// quotedString returns s as a quoted-string (RFC 9110 section 5.6.4). RFC 6750
// allows only printable ASCII in these values; other characters become "?".
func quotedString(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r > '~':
			b.WriteByte('?')
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
