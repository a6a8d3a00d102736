package soak_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin"
)

// scene is a model with a question about one token.
type scene struct {
	model *model
	token *token
	q     question
	a     answer
}

func newScene() *scene {
	w := &model{offset: always(time.Duration(0)), marks: map[markID]*mark{}}
	w.run.Store(1)
	first, second := w.newUpstream("first", []string{"ada"}), w.newUpstream("second", []string{"ada"})
	p := w.newProject("a", first, standin.Stack)
	w.newProject("b", second, standin.Stack)
	now := time.Now()
	key := p.keyIDs(false)[0]
	p.keys[key].published = moment{now.Add(-time.Hour), now.Add(-time.Hour)}
	t := &token{text: "x.y.z", project: p, key: key, subject: "ada", session: "s", id: "J", issued: now.Unix() - 60, expires: now.Unix() + 60, minted: now.Add(-time.Minute)}
	return &scene{model: w, token: t, q: question{verb: "VERIFY", project: p, token: t, maxAge: -1, sent: now, run: 1}, a: answer{came: now.Add(time.Millisecond), run: 1}}
}

// The replies that the daemon might give about the scene's token.
func (s *scene) claims(source string) string {
	return fmt.Sprintf(`OK level=claims project=%s sub=ada age=0 ttl=10 exp=%d source=%s {"jti":"J"}`, s.q.project.name, s.token.expires, source)
}

func (s *scene) profile(age, version int, at string) string {
	s.q.verb = "PROFILE"
	return fmt.Sprintf(`OK level=profile project=a sub=ada age=%d ttl=0 exp=%d source=stale {"id":"ada","client_metadata":{"at":%q,"version":%d}}`, age, s.token.expires, at, version)
}

// withdrawn withdraws the token's key, this long before the question.
func (s *scene) withdrawn(ago time.Duration) *signingKey {
	k := s.token.project.keys[s.token.key]
	at := s.q.sent.Add(-ago)
	k.withdrawn = moment{at, at}
	return k
}

// revoke puts a revocation in force. The function that it returns acknowledges the
// revocation, and moves the question after this.
func (s *scene) revoke(kind, value string) func() {
	done := s.model.revoking(s.model.mark(markID{s.token.project, kind, value}))
	return func() {
		done()
		s.q.sent = time.Now().Add(time.Millisecond)
		s.a.came = s.q.sent.Add(time.Millisecond)
	}
}

// sight is an answer, and what the oracle must say about it.
type sight struct {
	wrong string // the kind of the wrong answer; "" for a right one
	set   func(*scene) string
}

// TestTheOracleKnows which answers are right, and why the others are wrong.
func TestTheOracleKnows(t *testing.T) {
	all := sightsOfTokens()
	maps.Copy(all, sightsOfProfiles())
	for name, c := range all {
		t.Run(name, func(t *testing.T) {
			s := newScene()
			s.a.line = c.set(s)
			got := ""
			if found := s.model.judge(&s.q, &s.a); found != nil {
				got = found.kind
			}
			if got != c.wrong {
				t.Errorf("%s: judged %q, want %q", s.a.line, got, c.wrong)
			}
		})
	}
}

func sightsOfTokens() map[string]sight {
	return map[string]sight{
		"a good token":                         {"", func(s *scene) string { return s.claims("cache") }},
		"a good token, refused":                {wrongReject, func(*scene) string { return "NO unknown-key" }},
		"a good token, unknown":                {"", func(*scene) string { return "ERR keys-pending retry-after=1" }},
		"a key that the daemon knows, unknown": {wrongUnknown, func(s *scene) string { s.handedOut(3); return "ERR keys-pending retry-after=1" }},
		"a key it has been shown twice":        {"", func(s *scene) string { s.handedOut(2); return "ERR keys-pending retry-after=1" }},
		"a key that the run before was shown": {"", func(s *scene) string {
			s.handedOut(3)
			s.restarted()
			s.handedOut(1)
			return "ERR keys-pending retry-after=1"
		}},
		"busy":                          {"", func(s *scene) string { s.handedOut(3); return "ERR busy retry-after=1" }},
		"a fault of the question":       {wrongUnknown, func(*scene) string { return "ERR bad-request" }},
		"nonsense":                      {unreadable, func(*scene) string { return "MAYBE" }},
		"another's subject":             {mixedUp, func(s *scene) string { return strings.Replace(s.claims("cache"), "ada", "bob", 1) }},
		"another's claims":              {mixedUp, func(s *scene) string { return strings.Replace(s.claims("cache"), `"J"`, `"K"`, 1) }},
		"forged, accepted":              {wrongAccept, func(s *scene) string { s.token.flaw = forged; return s.claims("cache") }},
		"forged, refused":               {"", func(s *scene) string { s.token.flaw = forged; return "NO bad-signature" }},
		"forged, called expired":        {wrongReject, func(s *scene) string { s.token.flaw = forged; return "NO expired" }},
		"over, accepted":                {wrongAccept, func(s *scene) string { s.token.expires = s.q.sent.Unix() - 1; return s.claims("cache") }},
		"over, refused":                 {"", func(s *scene) string { s.token.expires = s.q.sent.Unix() - 1; return "NO expired" }},
		"not over, called so":           {wrongReject, func(*scene) string { return "NO expired" }},
		"over by a clock that is ahead": {"", func(s *scene) string { s.model.offset.change(time.Hour)(); s.later(); return "NO expired" }},
		"reuse past its end":            {wrongAccept, func(s *scene) string { return strings.Replace(s.claims("cache"), "ttl=10", "ttl=61", 1) }},
		"another project's":             {wrongAccept, func(s *scene) string { s.q.project = s.model.projects[1]; return s.claims("cache") }},
		"another project's, refused":    {"", func(s *scene) string { s.q.project = s.model.projects[1]; return "NO unknown-key" }},
		"withdrawn a minute ago, fresh": {wrongAccept, func(s *scene) string { s.withdrawn(time.Minute); return s.claims("cache") }},
		"withdrawn a minute ago, stale": {"", func(s *scene) string { s.withdrawn(time.Minute); return s.claims("stale") }},
		"withdrawn, and the daemon was told": {wrongAccept, func(s *scene) string {
			s.withdrawn(time.Minute)
			s.handedOut(3)
			return s.claims("stale")
		}},
		"withdrawn just now":              {"", func(s *scene) string { s.withdrawn(time.Second / 2); return s.claims("cache") }},
		"withdrawn, refused":              {"", func(s *scene) string { s.withdrawn(time.Second); return "NO unknown-key" }},
		"revoked, accepted":               {wrongAccept, func(s *scene) string { s.revoke("session", "s")(); return s.claims("cache") }},
		"revoked, refused":                {"", func(s *scene) string { s.revoke("token", "x.y.z")(); return "NO revoked" }},
		"being revoked, accepted":         {"", func(s *scene) string { s.revoke("key", s.token.key); s.later(); return s.claims("cache") }},
		"being revoked, refused":          {"", func(s *scene) string { s.revoke("key", s.token.key); s.later(); return "NO revoked" }},
		"another is revoked":              {wrongReject, func(s *scene) string { s.revoke("session", "another")(); return "NO revoked" }},
		"subject revoked, issued before":  {wrongAccept, func(s *scene) string { s.revoke("subject", "ada")(); return s.claims("cache") }},
		"subject revoked, issued after":   {"", func(s *scene) string { s.revoke("subject", "ada")(); s.token.issued += 63; return s.claimsLater() }},
		"subject revoked, after, refused": {wrongReject, func(s *scene) string { s.revoke("subject", "ada")(); s.token.issued += 70; return "NO revoked" }},
		"taken back":                      {wrongReject, func(s *scene) string { s.revoke("session", "s")(); s.takeBack(); return "NO revoked" }},
		"a class that is not admitted":    {wrongAccept, func(s *scene) string { s.token.anonymous = true; return s.claims("cache") }},
		"a class that is admitted": {wrongReject, func(s *scene) string {
			s.token.anonymous = true
			s.q.project.allow.change(true)()
			s.later()
			return "NO class-not-allowed"
		}},
	}
}

func sightsOfProfiles() map[string]sight {
	return map[string]sight{
		"a profile":                          {"", func(s *scene) string { return s.profile(3, 0, "first") }},
		"another project's profile":          {mixedUp, func(s *scene) string { return s.profile(3, 0, "second") }},
		"a profile of the future":            {wrongAccept, func(s *scene) string { return s.profile(3, 7, "first") }},
		"a profile older than it says":       {wrongAccept, func(s *scene) string { s.edited(time.Minute); return s.profile(3, 0, "first") }},
		"a profile as old as it says":        {"", func(s *scene) string { s.edited(3 * time.Second); return s.profile(3, 0, "first") }},
		"a profile that is too old":          {wrongAccept, func(s *scene) string { return s.profile(17, 0, "first") }},
		"a live check from memory":           {wrongAccept, func(s *scene) string { s.q.maxAge = 0; s.edited(time.Second / 2); return s.profile(0, 0, "first") }},
		"a profile older than was asked for": {wrongAccept, func(s *scene) string { s.q.maxAge = 2; return s.profile(3, 0, "first") }},
		"older by the time that it took": {"", func(s *scene) string {
			s.q.maxAge, s.a.came = 0, s.q.sent.Add(1300*time.Millisecond)
			return s.profile(1, 0, "first")
		}},
		"older, by a clock that was stepped": {"", func(s *scene) string {
			s.q.maxAge = 0
			s.later()
			s.model.offset.change(3 * time.Second)()
			s.a.came = time.Now().Add(time.Millisecond)
			return s.profile(3, 0, "first")
		}},
		"a profile of somebody deleted":    {wrongAccept, func(s *scene) string { s.deleted(time.Minute); return s.profile(3, 0, "first") }},
		"somebody deleted, refused":        {"", func(s *scene) string { s.deleted(time.Minute); s.q.verb = "PROFILE"; return "NO user-not-found" }},
		"somebody who is there, not found": {wrongReject, func(s *scene) string { s.q.verb = "PROFILE"; return "NO user-not-found" }},
	}
}

// later moves the question to the present time.
func (s *scene) later() {
	s.q.sent = time.Now()
	s.a.came = s.q.sent.Add(time.Millisecond)
}

// claimsLater returns an OK about a token that has become valid because time has passed.
func (s *scene) claimsLater() string {
	s.q.sent, s.a.came = s.q.sent.Add(5*time.Second), s.a.came.Add(5*time.Second)
	return s.claims("cache")
}

// handedOut gives the daemon n key sets, a while before the question.
func (s *scene) handedOut(n int) {
	for range n {
		at := s.q.sent.Add(-5 * time.Second)
		s.token.project.handedOut(s.model.run.Load(), at, at)
	}
}

// restarted makes the question one for another run of the daemon.
func (s *scene) restarted() {
	s.q.run = s.model.run.Add(2)
	s.a.run = s.q.run
}

func (s *scene) takeBack() {
	m := s.model.mark(markID{s.token.project, "session", "s"})
	m.force.change(off())()
	s.q.sent = time.Now().Add(time.Millisecond)
	s.a.came = s.q.sent.Add(time.Millisecond)
}

// edited gives the user's profile another version, this long before the question.
func (s *scene) edited(ago time.Duration) {
	u := s.q.project.up.users[0]
	u.version.change(1)()
	s.q.sent, s.a.came = s.q.sent.Add(ago), s.a.came.Add(ago)
	s.token.expires += int64(ago / time.Second)
}

func (s *scene) deleted(ago time.Duration) {
	u := s.q.project.up.users[0]
	u.there.change(false)()
	s.q.sent, s.a.came = s.q.sent.Add(ago), s.a.came.Add(ago)
	s.token.expires += int64(ago / time.Second)
}
