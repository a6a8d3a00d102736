package main

import (
	"net/http"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/protocol"
)

// outcome is what became of a request. The zero value knows nothing.
type outcome uint8

const (
	unknown   outcome = iota // it could not be told; ask again
	accepted                 // a verified user who meets the location's requirements
	rejected                 // no token, or proof against it
	denied                   // a verified user who may not come in here
	faulty                   // the web server asks for something that does not exist
	noRoute                  // not one of our paths
	badMethod                // a method that no web server asks with
)

func (o outcome) String() string {
	return [...]string{"unknown", "accepted", "rejected", "denied", "faulty", "no-route", "bad-method"}[o]
}

// Our own reasons, beside the protocol's.
const (
	reasonNoToken   = "no-token"
	reasonTwoTokens = "two-tokens"
	reasonClass     = string(protocol.ReasonClassNotAllowed)
	reasonEmail     = "email-not-verified"
	reasonTeam      = "wrong-team"
	reasonTooLarge  = "identity-too-large"
	reasonHeader    = "foreign-identity-header"
	reasonFault     = "misconfigured-location"
	reasonBusy      = string(protocol.CodeBusy)
	reasonDown      = "unreachable" // no answer of the daemon was had
)

// finding is an outcome with what goes into the reply. Nothing but accepted has
// an identity.
type finding struct {
	outcome    outcome
	reason     string // of a closed list; never text from outside
	retryAfter time.Duration
	identity   identity
	expires    time.Time     // of the token
	reuse      time.Duration // for how long the reply may be reused, whole seconds
}

// status is the one map from outcomes to HTTP.
func (f *finding) status(d *dialect) int {
	switch f.outcome {
	case accepted:
		return d.allowed
	case rejected:
		return http.StatusUnauthorized
	case denied:
		return http.StatusForbidden
	case faulty:
		return http.StatusInternalServerError
	case noRoute:
		return http.StatusNotFound
	case badMethod:
		return http.StatusMethodNotAllowed
	case unknown:
	}
	return http.StatusServiceUnavailable
}

// judge turns the daemon's answer into a finding. asked is when the question
// was sent: from then on counts how long the answer may be reused.
func judge(answer client.Answer, want *requirement, show *selection, token string, asked, now time.Time) finding {
	switch a := answer.(type) {
	case client.Accepted:
		return admit(&a, want, show, token, asked, now)
	case client.Rejected:
		if a.Reason == protocol.ReasonClassNotAllowed {
			// The token is genuine; another one would not help.
			return finding{outcome: denied, reason: string(a.Reason)}
		}
		return finding{outcome: rejected, reason: string(a.Reason)}
	case client.Unknown:
		reason := string(a.Code)
		if reason == "" {
			reason = reasonDown
		}
		return finding{reason: reason, retryAfter: a.RetryAfter}
	}
	return finding{reason: reasonDown}
}

// admit applies what the location asks for to a user whom the daemon vouches for.
func admit(a *client.Accepted, want *requirement, show *selection, token string, asked, now time.Time) finding {
	switch {
	case !now.Before(a.Expires):
		// It was good when the daemon looked at it.
		return finding{outcome: rejected, reason: string(protocol.ReasonExpired)}
	case a.Level < want.level:
		return finding{reason: reasonDown} // not what was asked; the client sees to it already
	}
	u := userOf(a, token)
	if reason := want.unmet(&u); reason != "" {
		return finding{outcome: denied, reason: reason}
	}
	id, err := identityOf(&u, a, show)
	if err != nil {
		return finding{outcome: denied, reason: reasonTooLarge}
	}
	return finding{
		outcome: accepted, identity: id, expires: a.Expires,
		reuse: max(0, min(a.TTL-now.Sub(asked), a.Expires.Sub(now))).Truncate(time.Second),
	}
}
