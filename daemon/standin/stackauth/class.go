// Package stackauth answers as the server of Stack Auth does before any endpoint is reached: it judges a request's
// headers and its token, leniencies and order of checks included, and words the refusals. It knows no user.
package stackauth

// Path is what every address of the API begins with.
const Path = "/api/v1"

// Class is a class of Stack user. The zero value leaves the choice to the user the token is for.
type Class uint8

// The classes, each wider than the one before.
const (
	ClassOfUser Class = iota
	ClassNormal
	ClassRestricted
	ClassAnonymous
)

// AudienceSuffix is what a class adds to the project id in the audience.
func (c Class) AudienceSuffix() string {
	switch c {
	case ClassRestricted:
		return ":restricted"
	case ClassAnonymous:
		return ":anon"
	default:
		return ""
	}
}

// IssuerPath is the part of the issuer that a class changes.
func (c Class) IssuerPath() string {
	switch c {
	case ClassRestricted:
		return "/projects-restricted-users/"
	case ClassAnonymous:
		return "/projects-anonymous-users/"
	default:
		return "/projects/"
	}
}

// The reasons for a restriction (Stack Auth, restricted_reason.type).
const (
	ReasonAnonymous  = "anonymous"
	ReasonUnverified = "email_not_verified"
	ReasonAdmin      = "restricted_by_administrator"
)
