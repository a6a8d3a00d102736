package daemon

import (
	"crypto/sha256"

	"github.com/neonauthd/neonauthd/cache"
	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/daemon/upstream"
)

// kind is what a credential is, as far as its form tells. The zero value is
// malformed.
type kind uint8

// The kinds of credential.
const (
	malformed kind = iota // nothing that the project has a door for
	signed                // a token that the project's keys can judge
	session               // a session credential: only the upstream can judge it
)

// classify tells what the credential is for the project, and reads a session
// credential. A credential of one kind is never tried as one of another.
func (p *project) classify(credential []byte) (kind, upstream.Session) {
	if keyset.Gate(credential) {
		return signed, upstream.Session{}
	}
	if p.config.Preset == "neon" {
		if s, ok := upstream.ParseSession(credential); ok {
			return session, s
		}
	}
	return malformed, upstream.Session{}
}

// digestOf is the form in which a token is kept and compared.
func digestOf(token []byte) cache.Key { return sha256.Sum256(token) }

// sessionMark names all credentials of a session, whatever their spelling and
// signature: a purge of one is a purge of all.
func sessionMark(s upstream.Session) cache.Key {
	return listKey("session token", string(s.Token()))
}

// names are what all credentials of one session go by.
type names struct {
	mark  cache.Key // for purges
	token []byte    // for revocations
}

// classify notes what the credential is. What is cached of a session credential
// goes by its canonical spelling.
func (l *lookup) classify() kind {
	k, s := l.project.classify(l.token)
	if l.kind = k; k == session {
		l.digest = digestOf(s.Canonical())
		l.names = &names{sessionMark(s), s.Token()}
	}
	return k
}

// purged is the key by which a purge of this token names it.
func (l *lookup) purged() cache.Key {
	if l.names != nil {
		return l.names.mark
	}
	return l.digest
}

// revoked is the text by which a revocation of this token names it.
func (l *lookup) revoked() []byte {
	if l.names != nil {
		return l.names.token
	}
	return l.token
}
