package authorize

import (
	"crypto/sha256"
	"encoding/base64"
)

// challengeOf is what a code verifier was announced by (RFC 7636 section 4.6).
func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
