package resolve

import (
	"time"

	"github.com/neonauthd/neonauthd/daemon/clock"
	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/daemon/resolve/purge"
	"github.com/neonauthd/neonauthd/daemon/revoke"
	"github.com/neonauthd/neonauthd/protocol"
)

// entry is the verified claims of one token, with the times and the key that they depend
// on. Each reader checks with alive that the entry is valid, so correctness does not depend
// on the cache. An entry never changes.
type entry struct {
	project     *Project
	key         *keyset.Key // nil for an opaque credential
	revision    uint64      // of purges, taken before the verification began
	established time.Time   // with monotonic reading
	deadline    time.Time   // exp, with a monotonic reading as far ahead as exp was when established
	expires     int64       // exp, Unix seconds, by the wall clock
	issued      int64       // iat, Unix seconds; 0 = the token does not say
	class       keyset.Class
	pins        uint32 // of the project, when the token was judged
	subject     string
	session     string
	signed      string // its SignedDigest, the token's name in revocations
	head        []byte // the reply's fields that never change, in wire form
	json        []byte // the claims
}

// newEntry makes the entry of the lookup's token, which was verified at now. Only here does a verdict at
// level claims get its lifetime: until exp by the wall clock, or by the monotonic clock if
// the wall clock is set back.
func newEntry(l *Lookup, c *keyset.Claims, revision uint64, now time.Time) *entry {
	expires := c.Expires.Truncate(time.Second)
	e := &entry{
		project:     l.Project,
		key:         c.Key,
		pins:        l.Project.pins.Load(),
		revision:    revision,
		established: now,
		deadline:    now.Add(expires.Sub(now.Round(0))),
		expires:     expires.Unix(),
		class:       c.Class,
		subject:     c.Subject,
		session:     c.Session,
		signed:      revoke.SignedDigest(l.revoked()),
		json:        c.JSON,
	}
	if !c.IssuedAt.IsZero() {
		e.issued = c.IssuedAt.Unix()
	}
	e.head = protocol.AppendField(e.head, "project", l.Project.name)
	e.head = protocol.AppendField(e.head, "sub", c.Subject)
	e.head = protocol.AppendField(e.head, protocol.FieldPrincipal, c.Class.Principal())
	return e
}

// alive reports whether the entry is valid at now for a lookup in project p, whose issuer is
// the one that the token was judged by. The resolver
// checks for revocations and purges separately.
func (e *entry) alive(p *Project, now time.Time) bool {
	return e.project == p && e.pins == p.pins.Load() && !clock.Over(e.deadline, now) && (e.key == nil || !e.key.Withdrawn())
}

// over reports whether exp has passed by the wall clock. Then the token is rejected.
func (e *entry) over(now time.Time) bool { return now.Unix() >= e.expires }

// claimsReuse is how long a caller may reuse a claims verdict without asking
// again. It bounds how late a caller learns of a revocation.
const claimsReuse = protocol.MaxTTL * time.Second

// accept returns the verdict at level claims for e at now.
func (e *entry) accept(source Source, now time.Time) Verdict {
	return Verdict{
		Outcome: protocol.Accepted(),
		Level:   LevelClaims,
		Source:  source,
		Age:     clock.Elapsed(e.established, now),
		TTL:     e.reuse(claimsReuse, now),
		Body:    e.json,
		entry:   e,
	}
}

// reuse returns how long a caller may reuse a verdict: most, but not beyond the end of the
// token.
func (e *entry) reuse(most time.Duration, now time.Time) time.Duration {
	return max(0, min(most, clock.Left(e.deadline, now)))
}

// revoked reports whether list covers the token of this entry.
func (e *entry) revoked(list *revoke.List) bool {
	return list.Len() > 0 && list.Covers(e.facts())
}

// facts returns what revocations look at.
func (e *entry) facts() *revoke.Token {
	facts := &revoke.Token{
		Project:  e.project.name,
		Subject:  e.subject,
		Session:  e.session,
		Issued:   e.issued,
		Expires:  e.expires,
		Verified: e.established,
		Signed:   e.signed,
	}
	if e.key != nil {
		facts.KeyID, facts.Thumbprint = e.key.ID(), e.key.Thumbprint()
	}
	return facts
}

// user returns the entry's user. For a nil entry it returns the zero Subject.
func (e *entry) user() purge.Subject {
	if e == nil {
		return purge.Subject{}
	}
	return purge.Subject{Project: e.project.name, ID: e.subject}
}
