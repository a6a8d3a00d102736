package keyset

// Reason says why a token was not accepted.
//
// The zero value is ReasonNone: nothing speaks against the token. Every other
// value before Unverifiable is a proof that the token is to be refused;
// Unverifiable and TooManyKeys are the opposite of a proof and have to become
// "unknown".
type Reason uint8

// The reasons, in the order in which they are looked for.
const (
	// ReasonNone: accepted.
	ReasonNone Reason = iota
	// Malformed: not one strict, canonical compact JWS with readable claims.
	Malformed
	// WrongAlgorithm: "alg" is missing, not allowed, or none of the named key's.
	WrongAlgorithm
	// UnknownKey: no key of the set has this "kid", or, where the token names no
	// key, this algorithm. Whether a newer set might
	// is told by KeyID.
	UnknownKey
	// BadSignature: the key that is named did not sign this or, where none is
	// named, none of the algorithm's.
	BadSignature
	// SenderConstrained: the token has a "cnf", so it is bound to a key (RFC 7800)
	// and no bearer token (RFC 9449 section 7, RFC 8705 section 3).
	SenderConstrained
	// MissingClaim: "sub", "exp" or a required "role" is absent, or one of the
	// claims read here is of the wrong kind.
	MissingClaim
	// WrongIssuer: "iss" is none of the issuers of the audience.
	WrongIssuer
	// WrongAudience: "aud" is none of the audiences.
	WrongAudience
	// ClassNotAllowed: genuine, but of a class of users that is not admitted,
	// or with flags or a role that contradict the audience.
	ClassNotAllowed
	// Expired: the instant is at or after "exp".
	Expired
	// NotYetValid: "nbf" or "iat" lies in the future by more than the leeway.
	NotYetValid
	// Unverifiable: the token could not be judged, because no policy or set
	// was given or because the judging code panicked. It says nothing about
	// the token: never answer "no" to it, and never remember it.
	Unverifiable
	// TooManyKeys: the token names no key, none of the first MaxTried keys of its
	// algorithm signed it, and there are more. It says as little as Unverifiable.
	TooManyKeys

	reasonCount
)

var reasonWords = [reasonCount]string{
	ReasonNone:        "none",
	Malformed:         "malformed",
	WrongAlgorithm:    "wrong-algorithm",
	UnknownKey:        "unknown-key",
	BadSignature:      "bad-signature",
	SenderConstrained: "sender-constrained",
	MissingClaim:      "missing-claim",
	WrongIssuer:       "wrong-issuer",
	WrongAudience:     "wrong-audience",
	ClassNotAllowed:   "class-not-allowed",
	Expired:           "expired",
	NotYetValid:       "not-yet-valid",
	Unverifiable:      "unverifiable",
	TooManyKeys:       "too-many-keys",
}

// String returns the word the line protocol uses for the reason. ReasonNone
// ("none"), Unverifiable ("unverifiable") and TooManyKeys ("too-many-keys") have
// no word there. A value that
// is not a Reason reads as "unverifiable".
func (r Reason) String() string {
	if r >= reasonCount {
		return reasonWords[Unverifiable]
	}
	return reasonWords[r]
}

// Error makes a Reason an error. The text holds nothing of the token.
func (r Reason) Error() string { return "token: " + r.String() }
