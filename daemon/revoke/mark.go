package revoke

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// Kind is what a revocation is about, as the protocol and the journal spell it.
type Kind string

// The kinds of revocation.
const (
	KindToken   Kind = "token"
	KindSession Kind = "session"
	KindSubject Kind = "subject"
	KindKey     Kind = "key"
	// KindSessionless is of a subject's tokens that name no session: one of its
	// sessions has ended, and which of them are of that one cannot be told.
	KindSessionless Kind = "sessionless"
)

// Kinds returns the kinds of revocation there are.
func Kinds() []Kind { return []Kind{KindToken, KindSession, KindSessionless, KindSubject, KindKey} }

// dated tells whether a revocation covers what was issued up to an instant, and not
// what is issued later.
func (k Kind) dated() bool { return k == KindSubject || k == KindSessionless }

// Mark names what is revoked in which project. The value is the id of a session,
// of a subject (of KindSessionless too) or of a key, a key's RFC 7638 thumbprint, or a token's
// SignedDigest.
type Mark struct {
	Kind    Kind   `json:"kind,omitzero"`
	Project string `json:"project,omitzero"`
	Value   string `json:"value,omitzero"`
}

// Token is what is known of a verified token, as far as revocations go.
type Token struct {
	Project string
	Subject string
	Session string // "": the token names none
	KeyID   string // of the key that signed it; "": the key has none, or nothing is signed
	// Thumbprint is the key's RFC 7638 thumbprint; "" for a session credential.
	Thumbprint string
	Issued     int64     // iat, Unix seconds; 0: the token does not say
	Expires    int64     // exp, Unix seconds
	Verified   time.Time // when this host established the above
	Text       []byte    // as the caller sent it
}

// SignedDigest is the hex SHA-256 of what a token's signature covers, so that
// the other valid ECDSA signature of the same text is revoked with it.
func SignedDigest(token []byte) string {
	if dot := bytes.LastIndexByte(token, '.'); dot >= 0 {
		token = token[:dot]
	}
	sum := sha256.Sum256(token)
	return hex.EncodeToString(sum[:])
}
