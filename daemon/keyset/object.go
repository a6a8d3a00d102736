package keyset

import (
	"encoding/base64"
	"errors"
	"slices"

	"github.com/neonauthd/neonauthd/internal/strictjson"
)

// maxDepth is how deep arrays and objects may nest, the outermost counted.
const maxDepth = 16

// The names that are read from a header, a payload, an introspection answer and a JWK, here
// or by callers that read the claims.
var (
	headerNames = strictjson.NewNames("alg", "kid", "typ")
	claimNames  = strictjson.NewNames(readClaims()...)
	answerNames = strictjson.NewNames(append(readClaims(), "active", "token_type")...)
	keyNames    = strictjson.NewNames("kty", "alg", "kid", "use", "key_ops", "crv", "x", "y", "n", "e", "d")
)

// readClaims are the names of the claims that are read.
func readClaims() []string {
	return append(withoutScope(), "iss", "exp", "nbf", "iat", "cnf", "at_hash", "c_hash", "events", "typ", "token_use")
}

// withoutScope are the names that are read of a user, except "scope": "Scope" is another
// claim (RFC 9068 section 2.2.3), and programs that look for scopes compare names exactly.
func withoutScope() []string {
	return slices.DeleteFunc(strictjson.UserNames(), func(name string) bool { return name == "scope" })
}

// errSpoilt ends the reading of an array.
var errSpoilt = errors.New("an element that is no string")

// decode returns the bytes of a segment that passed the gate; nil if they are
// more than limit.
func decode(segment []byte, limit int) []byte {
	size := base64.RawURLEncoding.DecodedLen(len(segment))
	if size > limit {
		return nil
	}
	out := make([]byte, size)
	n, err := base64.RawURLEncoding.Strict().Decode(out, segment)
	if err != nil {
		return nil
	}
	return out[:n]
}

// object walks the members of the one strict JSON object that text consists of.
func object(text []byte, read *strictjson.Names, member func(name []byte, value strictjson.Value) error) error {
	return strictjson.Rules{MaxDepth: maxDepth, Read: read}.Members(text, member)
}
