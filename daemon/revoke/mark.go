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
	// KindSessionless is for the tokens of a subject that name no session. One of the
	// subject's sessions has ended, and it cannot be told which of these tokens are of that
	// session.
	KindSessionless Kind = "sessionless"
)

// Kinds returns all kinds of revocation.
func Kinds() []Kind { return []Kind{KindToken, KindSession, KindSessionless, KindSubject, KindKey} }

// dated reports whether a revocation covers only tokens that were issued up to an instant.
func (k Kind) dated() bool { return k == KindSubject || k == KindSessionless }

// Mark names what is revoked in which project. The value is the id of a session, of a subject
// (also for KindSessionless) or of a key, the RFC 7638 thumbprint of a key, or a token's
// SignedDigest.
type Mark struct {
	Kind    Kind   `json:"kind,omitzero"`
	Project string `json:"project,omitzero"`
	Value   string `json:"value,omitzero"`
}

// Token is what revocations need to know of a verified token.
type Token struct {
	Project string
	Subject string
	Session string // "": the token names none
	KeyID   string // of the key that signed it; "": the key has no id, or there is no signature
	// Thumbprint is the key's RFC 7638 thumbprint; "" for a session credential.
	Thumbprint string
	Issued     int64     // iat, Unix seconds; 0: the token does not say
	Expires    int64     // exp, Unix seconds
	Verified   time.Time // when this host established the fields above
	Signed     string    // its SignedDigest
}

// SignedDigest returns the hex SHA-256 of the text that a token's signature covers. So the
// second valid ECDSA signature of the same text is revoked too.
func SignedDigest(token []byte) string {
	if dot := bytes.LastIndexByte(token, '.'); dot >= 0 {
		token = token[:dot]
	}
	sum := sha256.Sum256(token)
	return hex.EncodeToString(sum[:])
}
