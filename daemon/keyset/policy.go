package keyset

import (
	"slices"
	"time"

	"github.com/neonauthd/neonauthd/protocol"
)

// Algorithm is a signature algorithm of RFC 7518 section 3.1 or RFC 8037,
// spelled as in the header parameter "alg". The zero value is none of them.
type Algorithm string

// The algorithms there are. Symmetric ones and "none" do not exist here.
const (
	RS256 Algorithm = "RS256"
	RS384 Algorithm = "RS384"
	RS512 Algorithm = "RS512"
	PS256 Algorithm = "PS256"
	PS384 Algorithm = "PS384"
	PS512 Algorithm = "PS512"
	ES256 Algorithm = "ES256"
	ES384 Algorithm = "ES384"
	ES512 Algorithm = "ES512"
	EdDSA Algorithm = "EdDSA" // with Ed25519 only; "Ed25519" (RFC 9864) is read as the same
)

// Algorithms lists every algorithm that can be allowed, in a fresh slice.
func Algorithms() []Algorithm {
	return []Algorithm{RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA}
}

// Class is the class of user a token was issued to. The zero value is
// ClassUnknown.
type Class uint8

// The classes, as Stack Auth tells them apart by audience and issuer.
const (
	ClassUnknown Class = iota
	ClassNormal
	ClassRestricted
	ClassAnonymous
	// ClassMachine is no user at all: a client that acts for itself (RFC 6749
	// section 4.4).
	ClassMachine
	// ClassTeam is no user either: an API key of a team.
	ClassTeam
)

// String returns "unknown", "normal", "restricted", "anonymous", "machine" or "team".
func (c Class) String() string {
	switch c {
	case ClassNormal:
		return "normal"
	case ClassRestricted:
		return "restricted"
	case ClassAnonymous:
		return "anonymous"
	case ClassMachine:
		return "machine"
	case ClassTeam:
		return "team"
	default:
		return "unknown"
	}
}

// Principal returns who the subject of a token of the class is, as replies say it.
func (c Class) Principal() string {
	switch c {
	case ClassMachine:
		return protocol.PrincipalMachine
	case ClassTeam:
		return protocol.PrincipalTeam
	default:
		return protocol.PrincipalUser
	}
}

// Audience says that tokens whose "aud" is Name and whose "iss" is one of
// Issuers were issued to users of a class. All comparisons are exact. The zero
// value matches no token.
type Audience struct {
	Class   Class
	Name    string
	Issuers []string
}

// Policy says which tokens are accepted. It must not change once it is in use;
// then any number of goroutines may share it. The zero value accepts nothing.
type Policy struct {
	// Algorithms are the values allowed in "alg".
	Algorithms []Algorithm
	// Admitted are the audiences whose tokens are accepted.
	Admitted []Audience
	// Refused are audiences known but not admitted: their tokens are answered
	// ClassNotAllowed instead of WrongAudience, once the signature holds.
	Refused []Audience
	// Role is the required value of the claim "role"; empty: not looked at.
	// No role is MissingClaim, another one ClassNotAllowed.
	Role string
	// StackFlags demands that "is_anonymous", "is_restricted" and
	// "restricted_reason", where present, agree with each other and with the
	// class that the audience stands for.
	StackFlags bool
	// AudienceArray lets "aud" be an array that contains a Name (RFC 7519
	// section 4.1.3). If it contains a refused one too, the refusal wins.
	AudienceArray bool
	// AudienceOptional takes opaque tokens even if the introspection endpoint does not name
	// their audience. Verify does not look at it.
	AudienceOptional bool
	// KeyIDOptional lets "kid" be absent (RFC 7515 section 4.1.4): then each key
	// of the token's algorithm is tried, at most MaxTried.
	KeyIDOptional bool
	// AccessTokenType lets "typ" be "at+jwt" (RFC 9068 section 4) beside "JWT",
	// both compared as media types: in any case, with or without the prefix
	// "application/" (RFC 7515 section 4.1.9). Without it "typ" is exactly
	// "JWT" or absent.
	AccessTokenType bool
	// Resource makes the policy that of a protected resource (RFC 9068): "typ" is "at+jwt",
	// compared as a media type; "client_id" or "azp" names the client, and both name the
	// same one if both are there; "iat" is there; "scope" is a string if it is there. The
	// audiences are the resource's names. No other token passes. Without Resource none of
	// these is looked at.
	Resource bool
	// AudienceClaim names the claim, "client_id" or "azp", that stands in for "aud"
	// in tokens that have none, as those of Amazon Cognito and of Clerk. The claim has to
	// be a Name then. A token with an "aud" is for somebody else, so no ID token, no logout
	// token and no token for a resource passes. Empty: "aud" itself.
	AudienceClaim string
	// Logout makes the policy that of a receiver of logout tokens (OpenID Connect
	// Back-Channel Logout 1.0 section 2.6): "typ" is "logout+jwt" or "JWT", compared
	// as media types, or absent; "events" holds the event, and there is no "nonce";
	// "iat", "jti", and "sub" or "sid" are there. The audiences are the ids of the
	// client. No other token passes, and no other policy takes a logout token.
	Logout bool
	// Machines admits tokens that a client got for itself, whose "sub" is the
	// client. It counts only for a Resource or with an AudienceClaim: otherwise the client
	// is not known.
	Machines bool
	// Scopes are the words that "scope" has to hold, all of them; else
	// InsufficientScope. For a Resource only.
	Scopes []string
	// SessionClaims name the claims that may hold the id of the session, in
	// order of preference.
	SessionClaims []string
	// Leeway is how far in the future "nbf" and "iat" may lie. It does not
	// prolong "exp". Negative values count as zero.
	Leeway time.Duration
}

// allows tells whether a token may name the algorithm.
func (p *Policy) allows(alg Algorithm) bool { return slices.Contains(p.Algorithms, alg) }

// place finds the admitted audience that a token with this issuer and these
// audience names belongs to. It is nil if there is none, and the reason says why.
func (p *Policy) place(issuer string, names []string) (*Audience, protocol.Reason) {
	if issuer == "" || !issues(p.Admitted, issuer) && !issues(p.Refused, issuer) {
		return nil, protocol.ReasonWrongIssuer
	}
	refused, reason := match(p.Refused, issuer, names)
	if refused != nil {
		return nil, protocol.ReasonClassNotAllowed
	}
	admitted, why := match(p.Admitted, issuer, names)
	if why == protocol.ReasonWrongAudience {
		return nil, reason
	}
	return admitted, why
}

// Addresses tells whether a token that another policy has accepted, and whose claims
// are c, is for p too by its issuer and its audience. Nothing else is compared.
func (p *Policy) Addresses(c *Claims) bool {
	said, err := readPayload(p, c.JSON)
	if err != nil {
		return false
	}
	audience, _ := p.place(said.issuer, said.addressees())
	return audience != nil
}

// issues tells whether any of the audiences knows the issuer.
func issues(audiences []Audience, issuer string) bool {
	for i := range audiences {
		if slices.Contains(audiences[i].Issuers, issuer) {
			return true
		}
	}
	return false
}

// match returns the first audience that has one of the names and the issuer, or
// nil and the reason: WrongAudience if none has the name, WrongIssuer if one has
// only the name.
func match(audiences []Audience, issuer string, names []string) (*Audience, protocol.Reason) {
	reason := protocol.ReasonWrongAudience
	for i := range audiences {
		a := &audiences[i]
		if a.Name == "" || !slices.Contains(names, a.Name) {
			continue
		}
		if slices.Contains(a.Issuers, issuer) {
			return a, ""
		}
		reason = protocol.ReasonWrongIssuer
	}
	return nil, reason
}
