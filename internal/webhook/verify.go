package webhook

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// MaxSignatures is the largest number of signatures of a delivery. A sender makes two while
// its secret is being replaced.
const MaxSignatures = 16

// Signed reports whether one of the secrets has signed the id, the time and the body.
//
// The library computes and compares the signatures. It is too lenient in three ways, which
// this package refuses: it ignores text behind a signature, accepts an empty secret, and
// reads "+1" as a time.
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
		// Timely checks the time, with a clock that the caller gives.
		return err == nil && hook.VerifyIgnoringTimestamp(body, h) == nil
	})
}
