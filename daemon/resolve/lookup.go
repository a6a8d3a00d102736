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

// DefaultDeadline is how long a lookup should wait when its caller names no
// deadline.
const DefaultDeadline = 5 * time.Second

// Lookup is one question about one credential. It is for one goroutine at a time,
// and asked once; a copy with a Token of its own can be handed on.
type Lookup struct {
	// Project is asked about the credential. Required.
	Project *Project
	// Token is the credential: a token, or what else the project has a door for.
	Token []byte
	// Level is how much is to be established.
	Level Level
	// MaxAge is the greatest age of a profile that the caller takes; below zero: as
	// configured.
	MaxAge time.Duration
	// Heard is within how long this host must have heard its fleet for an accepted
	// verdict; 0: it need not.
	Heard time.Duration
	// Fallback tells that claims will do when the profile cannot be had.
	Fallback bool
	// Asker is whose share of things the lookup takes.
	Asker fair.Asker

	place *place // set by Admit; nil for a question that nobody waits for
	trace *trace // how the checks went; nil unless the lookup is explained

	// Set by classify:
	kind        kind
	door        door      // of an opaque credential
	digest      cache.Key // of the credential in its canonical spelling; zero where it is malformed
	names       *names    // of an opaque credential; nil for other kinds
	notAdmitted bool      // an API key of a team, and the project does not admit those

	ends bool // asked about is a logout token, which ends a session and lets nobody in
}

// kind is what a credential is, as far as its form tells. The zero value is
// malformed.
type kind uint8

// The kinds of credential.
const (
	malformed kind = iota // nothing that the project has a door for
	signed                // a token that the project's keys can judge
	opaque                // a credential that only the upstream can judge
)

// door is how the upstream is asked about an opaque credential. The zero value is
// none.
type door uint8

// The doors that a project can have.
const (
	noDoor       door = iota
	sessions          // get-session of Better Auth
	apiKeys           // the check of API keys of Stack Auth
	accessTokens      // introspection of OAuth
)

// String says of what kind the credentials are that come through the door.
func (d door) String() string {
	return map[door]string{sessions: "a session credential", apiKeys: "an API key", accessTokens: "an opaque access token"}[d]
}

// names are what an opaque credential goes by, and with a session all credentials of
// it. They hold nothing of the lookup's Token, whose bytes a copy of the lookup may
// outlive.
type names struct {
	mark  cache.Key // for purges
	token []byte    // for revocations
}

// classify says of which kind the credential is. It is done once, before anything
// else: a credential of one kind is never tried as one of another. It looks at the
// form alone, and at as little of it as tells the kinds apart, because each hit
// pays for it.
func (l *Lookup) classify() {
	if keyset.Shaped(l.Token) {
		l.kind, l.digest = signed, DigestOf(l.Token)
		return
	}
	// The forms overlap in one place: a session's bare token looks like an access
	// token, and a project that introspects takes it for one.
	c := &l.Project.config
	switch {
	case len(c.APIKeys) > 0 && l.isAPIKey():
		l.pass(apiKeys, DigestOf(l.Token), names{DigestOf(l.Token), bytes.Clone(l.Token)})
	case c.Introspection != nil && upstream.OpaqueAccessToken(l.Token):
		l.pass(accessTokens, DigestOf(l.Token), names{DigestOf(l.Token), bytes.Clone(l.Token)})
	case l.Project.preset.Sessions:
		if s, ok := upstream.ParseSession(l.Token); ok {
			l.pass(sessions, DigestOf(s.Canonical()), names{sessionMark(s), s.Token()})
		}
	}
}

// pass makes the credential one that comes through a door.
func (l *Lookup) pass(d door, digest cache.Key, n names) {
	l.kind, l.door, l.digest, l.names = opaque, d, digest, &n
}

// isAPIKey tells whether the credential is an API key of a type that the project has a
// door for.
func (l *Lookup) isAPIKey() bool {
	k, ok := upstream.ParseAPIKey(l.Token)
	kind := config.APIKeysUser
	if k.Team {
		kind = config.APIKeysTeam
	}
	l.notAdmitted = k.Team && !l.Project.config.Admits(config.AllowTeam)
	return ok && slices.Contains(l.Project.config.APIKeys, kind)
}

// introspects tells whether what the upstream is asked about the credential is an
// access token's state: of a token with claims e, or of an opaque one without.
func (l *Lookup) introspects(e *entry) bool {
	return e == nil && l.door == accessTokens || e != nil && l.Project.config.IntrospectsTokens()
}

// rules are those that the credential is judged by; nil while nobody knows whose
// tokens the project's are.
func (l *Lookup) rules() *keyset.Policy {
	if l.ends {
		return l.Project.logout.Load()
	}
	return l.Project.rules()
}

// keys are those that may judge the credential at now, and whether they may. A
// lookup that is explained has nobody look for others.
func (l *Lookup) keys(now time.Time) (current *keyring.Snapshot, usable bool) {
	if l.trace == nil {
		return l.Project.keys.Current(now)
	}
	current = l.Project.keys.Snapshot()
	return current, current.Usable(now)
}

// OnlyUpstream reports whether nobody but the upstream can judge the credential.
// It is known once the lookup was asked.
func (l *Lookup) OnlyUpstream() bool { return l.kind == opaque }

// Digest is what the credential is remembered by. It is known once the lookup was
// asked, and zero of what is malformed.
func (l *Lookup) Digest() [32]byte { return l.digest }

// purged is the key by which a purge of this credential names it.
func (l *Lookup) purged() cache.Key {
	if l.names != nil {
		return l.names.mark
	}
	return l.digest
}

// revoked is the text by which a revocation of this credential names it.
func (l *Lookup) revoked() []byte {
	if l.names != nil {
		return l.names.token
	}
	return l.Token
}

// DigestOf is the form in which a credential is kept and compared.
func DigestOf(credential []byte) cache.Key { return sha256.Sum256(credential) }

// sessionMark names all credentials of a session, whatever their spelling and
// signature: a purge of one is a purge of all.
func sessionMark(s upstream.Session) cache.Key {
	return cachekey.Of("session token", string(s.Token()))
}

// TokenMark is what a revocation of a project's credential goes by, and when the
// credential ends: zero if that cannot be told, as of a session, whose end the
// upstream may put off. Not ok means that the project has no door for it.
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
