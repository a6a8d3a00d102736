// Package webhook checks and reads deliveries of webhooks. Svix sends them for Stack Auth,
// in the form of Standard Webhooks
// (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md).
//
// There are four steps, and each can refuse a delivery: ReadEnvelope reads the headers,
// Envelope.Timely checks the time, Envelope.Signed checks the signature, and ParseEvent
// reads the body. The body counts only after its signature was checked.
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
	// Tolerance is the largest difference between the time of signing and this host's clock.
	Tolerance = 5 * time.Minute
)

// Envelope is the contents of a delivery's headers. Make it with ReadEnvelope.
type Envelope struct {
	// ID is the id of the delivery, the same in each attempt.
	ID string
	// At is the time of signing that the headers give. It can be trusted after Signed.
	At        time.Time
	signature string
}

// ErrHeaders means that a header of a delivery is missing, is there twice, or has a wrong
// form.
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

// single returns the value of a header that occurs once and is not empty.
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

// parseSeconds reads a decimal number without leading zeros. The signature is over the number,
// not over its text: with other spellings, such as "+1" or "01", several texts would have the
// same signature.
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

// Timely reports whether the time of signing differs from now by Tolerance at most.
func (e *Envelope) Timely(now time.Time) bool {
	return now.Sub(e.At).Abs() <= Tolerance
}
