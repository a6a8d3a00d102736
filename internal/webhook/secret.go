package webhook

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
)

// The form of a secret, as Svix and the specification of Standard Webhooks have it.
const (
	secretPrefix = "whsec_"
	// MinSecret is how many bytes a secret has at least, decoded. A key of fewer is
	// guessed, and with an empty one everybody signs.
	MinSecret = 24
)

// Secret is what deliveries are signed with. Its zero value signs nothing. It
// prints as "redacted".
type Secret struct{ key []byte }

// ParseSecret reads a secret as the sender's dashboard shows it. Its errors say
// what is wrong with the text and hold none of it.
func ParseSecret(text string) (Secret, error) {
	encoded, ok := bytes.CutPrefix([]byte(text), []byte(secretPrefix))
	if !ok {
		return Secret{}, fmt.Errorf("does not begin with %s: copy the signing secret of the endpoint from the dashboard", secretPrefix)
	}
	key := make([]byte, base64.StdEncoding.DecodedLen(len(encoded)))
	n, err := base64.StdEncoding.Strict().Decode(key, encoded)
	if err != nil || bytes.ContainsAny(encoded, "\r\n") {
		return Secret{}, errors.New("is not base64 behind " + secretPrefix + ": copy all of it from the dashboard, and nothing else")
	}
	if n < MinSecret {
		return Secret{}, fmt.Errorf("is of %d bytes, and has to be of %d at least: a shorter one can be guessed", n, MinSecret)
	}
	return Secret{key[:n]}, nil
}

// Equal reports whether two secrets are one. It is for configurations, not for
// signatures.
func (s Secret) Equal(other Secret) bool { return bytes.Equal(s.key, other.key) }

// String hides the secret.
func (Secret) String() string { return "redacted" }

// GoString hides it too.
func (Secret) GoString() string { return "redacted" }
