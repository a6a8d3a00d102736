package resolve

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"time"

	"github.com/neonauthd/neonauthd/cache"
	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/daemon/keyring"
	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/daemon/resolve/cachekey"
	"github.com/neonauthd/neonauthd/daemon/revoke"
	"github.com/neonauthd/neonauthd/daemon/upstream"
)

// DefaultDeadline is how long a lookup waits if its caller gives no deadline.
const DefaultDeadline = 5 * time.Second

// Lookup is one question about one credential. Use it once. A flight that the lookup has begun
// goes on reading it after Resolve has returned: do not change it then. If the bytes of the
// Token are used again, give Resolve a copy of the lookup with a Token of its own.
type Lookup struct {
	// Project is asked about the credential. Required.
	Project *Project
	// Token is the credential: a token, or another credential that the project takes.
	Token []byte
	// Level is the level that the caller asks for.
	Level Level
	// MaxAge is the greatest age of a profile that the caller accepts; below zero: as
	// configured.
	MaxAge time.Duration
	// Heard is how long ago this host may have heard its fleet at most, for an accepted
	// verdict; 0: any time.
	Heard time.Duration
	// Fallback says that the caller accepts a verdict at level claims if the profile is not
	// available.
	Fallback bool
	// Asker is the caller whose share of the resources the lookup uses.
	Asker fair.Asker

	place *place // set by Admit; nil if nobody waits for the answer
	trace *trace // the results of the checks; nil unless for EXPLAIN

	// Set by classify:
	kind        kind
	door        door      // of an opaque credential
	digest      cache.Key // of the credential in its canonical spelling; zero where it is malformed
	names       *names    // of an opaque credential; nil for other kinds
	notAdmitted bool      // an API key of a team, and the project does not admit those

	logout bool // Token is a logout token, which is never accepted as a token
}

// kind is the kind of a credential by its form. The zero value is malformed.
type kind uint8

// The kinds of credential.
const (
	malformed kind = iota // not a credential that the project takes
	signed                // a token that the project's keys can judge
	opaque                // a credential that only the upstream can judge
)

// door is the endpoint of the upstream that judges an opaque credential. The zero value is
// none.
type door uint8

// The doors that a project can have.
const (
	noDoor       door = iota
	sessions          // get-session of Better Auth
	apiKeys           // the check of API keys of Stack Auth
	accessTokens      // introspection of OAuth
)

// String returns the kind of the credentials that the door is for.
func (d door) String() string {
	return map[door]string{sessions: "a session credential", apiKeys: "an API key", accessTokens: "an opaque access token"}[d]
}

// names identify an opaque credential in purges and revocations. All credentials of a
// session have the same names. They share no memory with the lookup's Token, because a
// copy of the lookup may live longer than those bytes.
type names struct {
	mark  cache.Key // for purges
	token []byte    // for revocations
}

// classify finds the kind of the credential. It is called once, before anything else: a
// credential of one kind is never tried as another kind. classify looks at the form only,
// and at as little of it as possible, because it is part of each hit.
func (l *Lookup) classify() {
	if keyset.Shaped(l.Token) {
		l.kind, l.digest = signed, DigestOf(l.Token)
		return
	}
	// Two forms overlap: a session's token without its signature looks like an opaque access
	// token, and a project that introspects treats it as one.
	c := l.Project.config()
	key, isKey := upstream.ParseAPIKey(l.Token)
	switch {
	case isKey && slices.Contains(c.APIKeys, key.Type()):
		l.pass(apiKeys)
		l.notAdmitted = key.Team && !c.Admits(config.AllowTeam)
	case c.Introspection != nil && upstream.OpaqueAccessToken(l.Token):
		l.pass(accessTokens)
	case l.Project.preset.Sessions:
		if s, ok := upstream.ParseSession(l.Token); ok {
			l.kind, l.door, l.digest = opaque, sessions, DigestOf(s.Canonical())
			l.names = &names{sessionMark(s), s.Token()}
		}
	}
}

// pass makes the lookup one of an opaque credential that has one spelling only, for a door.
func (l *Lookup) pass(d door) {
	l.kind, l.door, l.digest = opaque, d, DigestOf(l.Token)
	l.names = &names{l.digest, bytes.Clone(l.Token)}
}

// introspects reports whether the upstream is asked by introspection: about a token with
// claims e, or about an opaque access token, for which e is nil.
func (l *Lookup) introspects(e *entry) bool {
	return e == nil && l.door == accessTokens || e != nil && l.Project.config().IntrospectsTokens()
}

// rules returns the rules for the credential; nil while the project's issuer is not known.
func (l *Lookup) rules() *keyset.Policy {
	if l.logout {
		return l.Project.logout.Load()
	}
	return l.Project.rules()
}

// keys returns the current keys, and whether they may be used at now. For EXPLAIN it does
// not start a fetch.
func (l *Lookup) keys(now time.Time) (current *keyring.Snapshot, usable bool) {
	if l.trace == nil {
		return l.Project.keys.Current(now)
	}
	current = l.Project.keys.Snapshot()
	return current, current.Usable(now)
}

// Digest returns the key of the credential in memory. It is valid after Recall, and zero
// for a malformed credential.
func (l *Lookup) Digest() [32]byte { return l.digest }

// purged returns the key of the credential in purges.
func (l *Lookup) purged() cache.Key {
	if l.names != nil {
		return l.names.mark
	}
	return l.digest
}

// revoked returns the text of the credential in revocations.
func (l *Lookup) revoked() []byte {
	if l.names != nil {
		return l.names.token
	}
	return l.Token
}

// DigestOf returns the SHA-256 of a credential. Only this is kept and compared.
func DigestOf(credential []byte) cache.Key { return sha256.Sum256(credential) }

// sessionMark returns the key of all credentials of a session in purges, whatever their
// spelling and signature. So a purge of one of them covers all.
func sessionMark(s upstream.Session) cache.Key {
	return cachekey.Of("session token", string(s.Token()))
}

// TokenMark returns the mark for a revocation of a credential, and when the credential ends.
// The end is zero if it is not known, for example for a session, whose end the upstream may
// change. ok is false if the project takes no such credential.
func (p *Project) TokenMark(credential []byte, now time.Time) (mark revoke.Mark, expires time.Time, ok bool) {
	l := Lookup{Project: p, Token: credential}
	l.classify()
	if l.kind == malformed || l.kind == signed && !keyset.Gate(credential) {
		return revoke.Mark{}, time.Time{}, false
	}
	mark = revoke.Mark{Kind: revoke.KindToken, Project: p.name, Value: revoke.SignedDigest(l.revoked())}
	if keys := p.keys.Snapshot(); l.kind == signed && keys != nil {
		claims, _ := keyset.Verify(p.rules(), keys.Set(), credential, now, nil)
		expires = claims.Expires // zero unless accepted
	}
	return mark, expires, true
}
