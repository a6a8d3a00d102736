package webhook

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// MaxSignatures is how many signatures a delivery has at most. A sender has two
// while its secret is being replaced.
const MaxSignatures = 16

// Signed reports whether somebody who knows one of the secrets has signed id, time
// and body.
//
// The library compares; what it is lenient about is refused here and before: it
// ignores what stands behind a signature, takes an empty secret, and reads "+1" as
// a time.
func (e *Envelope) Signed(secrets []Secret, body []byte) bool {
	h := http.Header{}
	h.Set(standardwebhooks.HeaderWebhookID, e.ID)
	h.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(e.At.Unix(), 10))
	signatures := strings.Fields(e.signature)
	if len(signatures) > MaxSignatures {
		return false
	}
	signatures = slices.DeleteFunc(signatures, func(one string) bool { return strings.Count(one, ",") != 1 })
	h.Set(standardwebhooks.HeaderWebhookSignature, strings.Join(signatures, " "))
	return slices.ContainsFunc(secrets, func(s Secret) bool {
		if len(s.key) < MinSecret {
			return false
		}
		hook, err := standardwebhooks.NewWebhookRaw(s.key)
		// The time is judged by Timely, with a clock that is handed in.
		return err == nil && hook.VerifyIgnoringTimestamp(body, h) == nil
	})
}
