package webhook

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
)

// The form of a secret, from Svix and the specification of Standard Webhooks.
const (
	secretPrefix = "whsec_"
	// MinSecret is the shortest secret, in decoded bytes. A shorter key can be guessed, and
	// with an empty key anybody can sign.
	MinSecret = 24
)

// Secret is a key that deliveries are signed with. The zero value accepts no signature. A
// Secret prints as "redacted".
type Secret struct{ key []byte }

// ParseSecret reads a secret in the form that the sender's dashboard shows. Its errors say
// what is wrong, without any part of the text.
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

// Equal reports whether two secrets are the same. It is not of constant time, so it must not
// be used with data from the network.
func (s Secret) Equal(other Secret) bool { return bytes.Equal(s.key, other.key) }

// String hides the secret.
func (Secret) String() string { return "redacted" }

// GoString hides it too.
func (Secret) GoString() string { return "redacted" }
