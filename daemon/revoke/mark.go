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
)

// Kinds returns the kinds of revocation there are.
func Kinds() []Kind { return []Kind{KindToken, KindSession, KindSubject, KindKey} }

// Mark names what is revoked in which project. The value is the id of a session,
// of a subject or of a key, a key's RFC 7638 thumbprint, or a token's
// SignedDigest.
type Mark struct {
	Kind    Kind   `json:"kind"`
	Project string `json:"project"`
	Value   string `json:"value"`
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

// Covers reports whether the token is revoked.
func (l *List) Covers(t *Token) bool {
	if l.counts.all.Load() == 0 {
		return false
	}
	if l.counts.subject.Load() > 0 {
		if v, ok := l.find(Mark{KindSubject, t.Project, t.Subject}); ok && t.Issued <= v.at {
			return true
		}
	}
	if l.counts.session.Load() > 0 && t.Session != "" && l.has(Mark{KindSession, t.Project, t.Session}) {
		return true
	}
	if l.counts.key.Load() > 0 && t.Thumbprint != "" &&
		(l.has(Mark{KindKey, t.Project, t.KeyID}) || l.has(Mark{KindKey, t.Project, t.Thumbprint})) {
		return true
	}
	return l.counts.token.Load() > 0 && l.has(Mark{KindToken, t.Project, SignedDigest(t.Text)})
}
