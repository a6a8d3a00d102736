// Package webhook judges deliveries of webhooks as Svix makes them for Stack
// Auth, which are those of Standard Webhooks
// (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md):
// whether somebody who knows the secret has signed one of late, and what it says
// of whom.
//
// A delivery comes to be known in steps, and each can be refused: ReadEnvelope
// reads the headers, Envelope.Timely looks at the time, Envelope.Signed at the
// signature, and ParseEvent at the body. Nothing of the body counts before it was
// signed.
package webhook

import (
	"errors"
	"net/http"
	"strconv"
	"time"
)

// Bounds of a delivery.
const (
	// MaxBody is the longest body, in bytes. Svix carries about 350 KB.
	MaxBody = 1 << 20
	// MaxID is the longest id, in bytes; those of Svix have 31.
	MaxID = 128
	// Tolerance is how far the sender's clock and ours may be apart, with what the
	// way takes.
	Tolerance = 5 * time.Minute
)

// Envelope is what the headers of a delivery say. Only ReadEnvelope makes one.
type Envelope struct {
	// ID is the delivery's, the same in each attempt.
	ID string
	// At is when the attempt was signed, as far as the headers are to be believed.
	At        time.Time
	signature string
}

// ErrHeaders says that headers of a delivery are missing, given twice, or not of
// the form that they have to be of.
var ErrHeaders = errors.New("not the headers of a delivery")

// ReadEnvelope reads the headers of Svix (svix-id, svix-timestamp, svix-signature)
// or, where there is no svix-id, those of the specification (webhook-id and so on).
// The two are never mixed.
func ReadEnvelope(h http.Header) (Envelope, error) {
	prefix := "Svix-"
	if len(h.Values(prefix+"Id")) == 0 {
		prefix = "Webhook-"
	}
	id, ok := single(h, prefix+"Id")
	at, okAt := single(h, prefix+"Timestamp")
	signature, okSignature := single(h, prefix+"Signature")
	if !ok || !okAt || !okSignature || len(id) > MaxID || !visible(id) {
		return Envelope{}, ErrHeaders
	}
	seconds, ok := parseSeconds(at)
	if !ok {
		return Envelope{}, ErrHeaders
	}
	return Envelope{ID: id, At: time.Unix(seconds, 0), signature: signature}, nil
}

// single is the one value of a header, which is not empty.
func single(h http.Header, name string) (string, bool) {
	values := h.Values(name)
	if len(values) != 1 || values[0] == "" {
		return "", false
	}
	return values[0], true
}

func visible(text string) bool {
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}

// maxDigits is how many digits a time has at most: enough for 30 000 years.
const maxDigits = 12

// parseSeconds reads a number of digits only, without zeros before it. The
// signature covers the number and not its text: "+1", "01" and, where a dot is cut
// elsewhere, "1.1" would be signed like another one.
func parseSeconds(text string) (int64, bool) {
	if len(text) > maxDigits || text[0] == '0' {
		return 0, false
	}
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return 0, false
		}
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	return seconds, err == nil
}

// Timely reports whether the delivery was signed at now, give or take Tolerance.
func (e *Envelope) Timely(now time.Time) bool {
	return now.Sub(e.At).Abs() <= Tolerance
}
