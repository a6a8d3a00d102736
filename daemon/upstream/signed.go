package upstream

import (
	"bytes"
	"context"
	"net/http"
	"time"

	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/protocol"
)

// open replaces a signed answer by its claims (OpenID Connect Core 1.0 section 5.3.2). A fault of the answer says
// nothing about the user, so it is never a denial.
func (c *Client) open(ctx context.Context, p Profile, token []byte, asker fair.Asker) (Profile, *Error) {
	signed := bytes.TrimSpace(p.signed)
	if c.config.Open == nil {
		return Profile{}, noKnownError(http.StatusOK, "userinfo is signed, and there are no keys to verify it with")
	}
	payload, outcome, detail, wait := c.config.Open(ctx, signed, token, asker)
	if e := judgeSigned(signed, outcome, detail, wait); e != nil {
		return Profile{}, e
	}
	claims, e := readClaims(payload, http.StatusOK, "sub", p.Subject)
	if e != nil {
		return Profile{}, e
	}
	return Profile{Body: claims.compact, Subject: p.Subject}, nil
}

// judgeSigned returns nil if a signed answer may be read. A fault that every answer has, because of the issuer's
// settings, is a misconfiguration; a fault that another key set or another try may mend is not.
func judgeSigned(signed []byte, outcome protocol.Outcome, detail string, wait time.Duration) *Error {
	const status, name = http.StatusOK, "userinfo is signed, and "
	switch outcome.Reason() {
	case "":
		if outcome.Status() == protocol.OK {
			return nil
		}
		if outcome == protocol.Unknown(protocol.CodeMisconfigured) {
			return noKnownError(status, name+detail)
		}
		return &Error{Status: status, RetryAfter: wait, detail: name + "the keys to verify it with are not there yet"}
	case protocol.ReasonUnknownKey:
		return unusable(status, name+"its key is not in the key set")
	case protocol.ReasonBadSignature:
		return unusable(status, name+"not by the key that it names; something may have changed it on the way")
	case protocol.ReasonExpired, protocol.ReasonNotYetValid:
		return unusable(status, name+detail)
	case protocol.ReasonWrongAlgorithm:
		return noKnownError(status, "userinfo is a JWT that is not signed, or with an algorithm that is not in algorithms; have the issuer sign it with one of its keys (userinfo_signed_response_alg)")
	case protocol.ReasonWrongType:
		return noKnownError(status, "a JWT of another kind came in the place of userinfo")
	case protocol.ReasonMalformed:
		if bytes.Count(signed, []byte{'.'}) == 4 {
			return noKnownError(status, "userinfo is encrypted, for a key that is not here; have the issuer sign it alone, or send plain JSON")
		}
		if detail == "" {
			detail = "it is no JWT in its compact form with a header that can be taken"
		}
	default: // another issuer, another client
	}
	return noKnownError(status, name+detail)
}
