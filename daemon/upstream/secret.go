package upstream

import (
	"crypto/subtle"
	"fmt"
	"log/slog"
)

const redacted = "redacted"

// Secret holds a credential of the operator, such as a secret server key. However it is printed, encoded or
// logged, it shows as "redacted"; only [Secret.Reveal] gives the text away.
//
// The zero value holds no secret. A Secret is immutable and safe for concurrent use.
type Secret struct {
	// A pointer, because fmt does not call methods on unexported fields of a struct it prints: it walks into
	// them, but prints a nested pointer as an address. A plain string would show.
	text *string
}

// NewSecret wraps text. An empty text gives the zero Secret.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{text: &text}
}

// Empty reports whether there is no secret.
func (s Secret) Empty() bool { return s.text == nil }

// Equal reports whether both hold the same text, in a time that does not depend on where they differ.
func (s Secret) Equal(other Secret) bool {
	if s.text == nil || other.text == nil {
		return s.text == other.text
	}
	return subtle.ConstantTimeCompare([]byte(*s.text), []byte(*other.text)) == 1
}

// Reveal returns the text itself. Call it only where the secret is sent or used, never to show it.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// fitsHeader reports whether the secret, if there is one, can be sent in a header.
func (s Secret) fitsHeader() bool { return s.text == nil || isVisible(*s.text) }

// Format implements [fmt.Formatter]: whatever the verb, the secret is not shown.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// String returns "redacted".
func (s Secret) String() string { return redacted }

// GoString returns "redacted".
func (s Secret) GoString() string { return redacted }

// MarshalText returns "redacted".
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON returns the JSON string "redacted".
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// LogValue implements [slog.LogValuer].
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }
