package mint

import (
	"slices"

	"github.com/neonauthd/neonauthd/daemon/standin/ordered"
)

// Token has the contents of a JWT.
type Token struct {
	// Header is signed as it is.
	Header ordered.Object
	// Claims are the payload, unless Payload is given, which need not be JSON.
	Claims  ordered.Object
	Payload []byte
	// Size pads the claims (with one named "pad") until the token has at most this many bytes, as near as base64
	// allows; zero: no padding.
	Size int
	// Forged signs with a stranger's key under the id of the real one.
	Forged bool
}

// Sign is the token's compact form (RFC 7515, section 3.1) with a signature by k.
func (t Token) Sign(k *Key) string {
	head := Base64(ordered.Encode(t.Header)) + "."
	payload := t.Payload
	if payload == nil {
		payload = padded(t.Claims, t.Size-len(head), k)
	}
	input := head + Base64(payload)
	if t.Forged {
		k = NewKey(k.Alg, k.Kid, func(*Key) ordered.Object { return nil })
	}
	return input + "." + Base64(k.sign([]byte(input)))
}

// padded encodes claims so that payload, dot and signature together take at most room bytes, filled as
// far as possible; claims that need more stay as they are.
func padded(claims ordered.Object, room int, k *Key) []byte {
	payload := ordered.Encode(claims)
	room -= 1 + len(Base64(k.sign(nil)))
	const frame = len(`,"pad":""`)
	missing := room*3/4 - len(payload) - frame
	if room <= 0 || missing < 0 {
		return payload
	}
	pad := make([]byte, missing)
	for i := range pad {
		pad[i] = 'x'
	}
	return ordered.Encode(append(slices.Clone(claims), ordered.Member{"pad", string(pad)}))
}
