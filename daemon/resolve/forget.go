package resolve

import (
	"encoding/hex"

	"github.com/neonauthd/neonauthd/cache"
	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/daemon/resolve/cachekey"
	"github.com/neonauthd/neonauthd/daemon/resolve/purge"
	"github.com/neonauthd/neonauthd/daemon/revoke"
	"github.com/neonauthd/neonauthd/daemon/upstream"
)

// PurgeAll forgets everything, and returns how many verdicts and profiles that was.
// Nothing that was established before is served again, even if it was in flight.
func (r *Resolver) PurgeAll() (entries int64) {
	before := r.memory.Stats().Entries
	r.purges.All()
	r.memory.Purge()
	r.rejections.Purge()
	r.profiles.denials.Purge()
	return max(0, before-r.memory.Stats().Entries)
}

// PurgeToken forgets a token, whatever project it was asked of. If the text is a
// session credential, PurgeToken forgets the session's credential of each project,
// in each spelling. It returns how many verdicts and profiles were removed at once.
func (r *Resolver) PurgeToken(token []byte, projects []*Project) (entries int64) {
	before, digest := r.memory.Stats().Entries, DigestOf(token)
	r.purges.Purge(digest)
	r.memory.Delete(digest)
	r.rejections.Delete(digest)
	if s, ok := upstream.ParseSession(token); ok {
		r.purges.Purge(sessionMark(s)) // makes every spelling void; the canonical one is removed at once
		digest = DigestOf(s.Canonical())
	}
	for _, p := range projects {
		r.memory.Delete(cachekey.Credential(p.name, digest))
	}
	return max(0, before-r.memory.Stats().Entries)
}

// PurgesOf returns the marks by which the hosts of a fleet tell each other that a
// credential is purged: one for the credential as a token and, if it can be a
// session credential, one for the session.
func PurgesOf(credential []byte) []revoke.Mark {
	marks := []revoke.Mark{purgeMark(DigestOf(credential))}
	if s, ok := upstream.ParseSession(credential); ok {
		marks = append(marks, purgeMark(sessionMark(s)))
	}
	return marks
}

// PurgeNamed forgets the credential that a mark of PurgesOf names. Another host has
// sent the mark.
func (r *Resolver) PurgeNamed(m revoke.Mark) {
	var name cache.Key
	if n, err := hex.Decode(name[:], []byte(m.Value)); err != nil || n != len(name) {
		return
	}
	r.purges.Purge(name)
	r.memory.Delete(name)
	r.rejections.Delete(name)
}

// PurgeSubject forgets a user of a project, and returns how many profiles it
// removed. Verdicts are kept by token, so they cannot be found by user; the purge
// makes them void.
func (r *Resolver) PurgeSubject(project, subject string) (profiles int64) {
	r.purges.Purge(purge.Subject{Project: project, ID: subject})
	for _, class := range []keyset.Class{keyset.ClassNormal, keyset.ClassRestricted, keyset.ClassAnonymous} {
		key := cachekey.User(project, class, subject)
		if r.memory.profile(&key, r.now()) != nil {
			profiles++
		}
		r.memory.Delete(key)
		r.profiles.denials.Delete(key)
	}
	return profiles
}
