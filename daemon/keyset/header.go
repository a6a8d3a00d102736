package keyset

import (
	"strings"

	"github.com/neonauthd/neonauthd/internal/strictjson"
	"github.com/neonauthd/neonauthd/protocol"
)

const maxKeyID = 128 // bytes of a "kid"

// header is what a JOSE header says, if it has nothing that must be refused.
type header struct {
	alg      string // empty: absent or not a string
	kid      string
	hasKeyID bool
	typ      string
	hasType  bool
}

// readHeader reads the first segment of a token that passed the gate. It
// refuses members that change how the rest is to be read, and members of
// encryption. It ignores all others without reading their values. Among these
// are "cty" and the hints about keys ("jwk", "jku", "x5u", "x5c", "x5t",
// "x5t#S256"): several issuers write them into every token, and the key comes
// from the set.
func readHeader(segment []byte) (h header, err error) {
	err = object(decode(segment, MaxToken), headerNames, h.member)
	return h, err
}

func (h *header) member(name []byte, value strictjson.Value) error {
	ok, what := true, "is not a string"
	switch string(name) {
	case "alg":
		h.alg, _ = strictjson.Text(value)
	case "kid":
		h.kid, ok = strictjson.Text(value) // "a number" is not "none"
		h.hasKeyID = true
	case "typ":
		h.typ, ok = strictjson.Text(value)
		ok, what = ok || value.Kind() != '"', "has half a surrogate pair" // a value that is no string names no type
		h.hasType = true
	case "crit", "b64", "zip", "enc", // RFC 7515, 7516, 7797: another meaning of the bytes
		"epk", "p2c", "iv", "tag": // RFC 7518: encryption
		ok, what = false, "asks for what is refused"
	}
	if !ok {
		return &flaw{string(name), what}
	}
	return nil
}

// algorithm returns what "alg" stands for. RFC 9864 gives EdDSA over Ed25519 a
// name of its own; no other value has two.
func (h *header) algorithm() Algorithm {
	if h.alg == "Ed25519" {
		return EdDSA
	}
	return Algorithm(h.alg)
}

// unfit returns the reason and the flaw if the policy does not take a header
// that could be read; nil if it does.
func (h *header) unfit(p *Policy) (protocol.Reason, error) {
	switch {
	case !h.typeFits(p) && !h.hasType:
		return protocol.ReasonWrongType, &flaw{"typ", "is absent"}
	case !h.typeFits(p):
		return protocol.ReasonWrongType, &flaw{"typ", namedKind(mediaType(h.typ))}
	case !h.hasKeyID && !p.KeyIDOptional:
		return protocol.ReasonMalformed, &flaw{"kid", "is absent"}
	default:
		return "", nil
	}
}

// typeFits tells whether "typ" is one the policy takes.
func (h *header) typeFits(p *Policy) bool {
	if !h.hasType {
		return !p.Resource
	}
	typ := mediaType(h.typ)
	switch {
	case p.Resource:
		return typ == "at+jwt"
	case p.Logout:
		return typ == logoutType || typ == "jwt"
	case p.AccessTokenType:
		return typ == "jwt" || typ == "at+jwt"
	default:
		return h.typ == "JWT"
	}
}

// mediaType is what is compared of a "typ" (RFC 7515 section 4.1.9).
func mediaType(typ string) string {
	return strings.TrimPrefix(strings.ToLower(typ), "application/")
}

// namedKind says of a "typ" that the policy does not take which kind of token it
// names, if that is a known one.
func namedKind(typ string) string {
	switch typ {
	case logoutType:
		return "names a logout token, which ends a session and lets nobody in: LOGOUT takes it"
	case "at+jwt":
		return "names an OAuth access token for a resource, and the project takes none"
	case "dpop+jwt":
		return "names a DPoP proof, which goes along with a token and is none"
	case "id_token", "id+jwt":
		return "names an ID token, which tells an application who has signed in and lets nobody in"
	default:
		return "names another kind of token"
	}
}

// plausibleKeyID tells whether a key that is used can have this id: 1 to 128 bytes of
// printable ASCII. No other id is looked for in newer key sets.
func plausibleKeyID(kid string) bool {
	if kid == "" || len(kid) > maxKeyID {
		return false
	}
	for i := 0; i < len(kid); i++ {
		if kid[i] < 0x20 || kid[i] > 0x7e {
			return false
		}
	}
	return true
}

// Doubt tells whether a newer key set than s could change what Verify found about
// the token with s. The key that the token names may be published by now, another key may
// have the same "kid" now, or the token names no key. kid is the id to look
// for, empty if the token names none. Where there is no doubt, the outcome is
// final for this policy.
func (p *Policy) Doubt(s *Set, token []byte, outcome protocol.Outcome) (kid string, doubtful bool) {
	switch outcome {
	case protocol.Rejected(protocol.ReasonUnknownKey), protocol.Rejected(protocol.ReasonBadSignature), protocol.Rejected(protocol.ReasonWrongAlgorithm):
	case protocol.Unknown(protocol.CodeMisconfigured):
		if _, suspected := s.Suspect(token); !suspected {
			return "", false // too many keys
		}
	default:
		return "", false
	}
	first, _, _ := segments(token)
	h, err := readHeader(first)
	switch {
	case err != nil || !p.allows(h.algorithm()):
		return "", false
	case !h.hasKeyID:
		return "", p.KeyIDOptional
	default:
		return h.kid, plausibleKeyID(h.kid)
	}
}
