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
	// DefaultRetryAfter is what a 503 advises when the daemon does not.
	DefaultRetryAfter = time.Second

	// MaxRetryAfter bounds the advice: the daemon may well be back earlier.
	MaxRetryAfter = time.Minute
)

// ReasonNoToken is the Reason of a request that carries no token.
const ReasonNoToken = "no-token"

// Refusal is how a request is answered that does not get through. The zero
// value is none: the functions of this package make them.
type Refusal struct {
	// Status is 400, 401, 403 or 503. A request about which nothing could be
	// learnt is never 401, which would log the user out.
	Status int

	// Error is the code of RFC 6750 section 3.1; "" where none belongs.
	Error string

	// Reason is a word for people and counters, of a closed list: a Fault, a
	// protocol.Reason, a protocol.Code, ReasonNoToken, or the caller's own.
	// "" where nothing is known, as when the daemon could not be reached.
	Reason string

	// Scope names the scopes that the request asks for, with blanks between; "":
	// it does not tell.
	Scope string

	// ResourceMetadata is the address at which the protected resource tells who
	// gives out its tokens (RFC 9728 section 5.1); "": none.
	ResourceMetadata string

	// RetryAfter goes with a 503: whole seconds, from 1 to 60.
	RetryAfter time.Duration
}

// RefusalOf makes a refusal of the daemon's answer. Which status an outcome has is
// protocol's to say. refused is false for client.Accepted alone.
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
	return Unavailable("", 0), true // no answer is no proof
}

// Refusal tells how the request is answered without asking the daemon. refused
// is false when there is a token to ask about.
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

// InvalidToken is for a token against which there is proof.
func InvalidToken(reason string) Refusal {
	return Refusal{Status: http.StatusUnauthorized, Error: "invalid_token", Reason: reason}
}

// Denied is for a verified user who may not have what the request asks for.
func Denied(reason string) Refusal {
	return Refusal{Status: http.StatusForbidden, Error: "insufficient_scope", Reason: reason}
}

// Unavailable is for a request about which nothing could be learnt; after is
// when asking again makes sense, 0 when nobody knows.
func Unavailable(reason string, after time.Duration) Refusal {
	if after <= 0 {
		after = DefaultRetryAfter
	}
	after = min(after, MaxRetryAfter)
	return Refusal{Status: http.StatusServiceUnavailable, Reason: reason, RetryAfter: (after + time.Second - 1).Truncate(time.Second)}
}

// SetHeaders sets the headers that go with the refusal: Cache-Control, and
// WWW-Authenticate or, with a 503, Retry-After. An empty realm is not named.
func (r Refusal) SetHeaders(h http.Header, realm string) {
	h.Set("Cache-Control", "no-store")
	if r.Status == http.StatusServiceUnavailable {
		h.Set("Retry-After", strconv.Itoa(int(r.RetryAfter/time.Second)))
		return
	}
	h.Set("WWW-Authenticate", r.challenge(realm))
}

// challenge is the value of WWW-Authenticate (RFC 6750 section 3). The reason
// tells the holder of a bad token no more than the token itself does.
func (r Refusal) challenge(realm string) string {
	var params []string
	if realm != "" {
		params = append(params, "realm="+quotedString(realm))
	}
	if r.Error != "" {
		params = append(params, "error="+quotedString(r.Error))
		if r.Reason != "" {
			params = append(params, "error_description="+quotedString(r.Reason))
		}
	}
	if r.Scope != "" {
		params = append(params, "scope="+quotedString(r.Scope))
	}
	if r.ResourceMetadata != "" {
		params = append(params, "resource_metadata="+quotedString(r.ResourceMetadata))
	}
	if len(params) == 0 {
		return "Bearer"
	}
	return "Bearer " + strings.Join(params, ", ")
}

// quotedString is that of RFC 9110 section 5.6.4, for the characters that
// RFC 6750 allows in these values: printable ASCII. Others become "?".
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
