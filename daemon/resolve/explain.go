package resolve

import (
	"encoding/hex"
	"time"

	"github.com/neonauthd/neonauthd/cache"
	"github.com/neonauthd/neonauthd/daemon/clock"
	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/daemon/resolve/wording"
	"github.com/neonauthd/neonauthd/daemon/upstream"
	"github.com/neonauthd/neonauthd/protocol"
)

// Explanation is the result that a lookup at level claims would have, and why.
type Explanation struct {
	Outcome protocol.Outcome
	Digest  string      // the first 12 hex digits of the credential's digest
	Checks  []Check     // in the order of the checks
	Key     *keyset.Key // the project's key that the token names or that signed it; nil if there is none
	Cache   Cached
	// SameKeys is the outcome of a lookup that fetches the key set first and finds it
	// unchanged; nil if a lookup would not fetch it. Outcome is then keys-pending.
	SameKeys *protocol.Outcome
}

// Cached says whether memory has the credential's verdict and profile.
type Cached struct {
	Verdict, Profile string        // hit, stale or miss
	Age              time.Duration // of the verdict, on a hit
}

// Explain takes the path of a lookup at level claims, but asks nobody and changes
// nothing. If the lookup would wait for the upstream, the outcome is the one that
// is known without the upstream.
func (r *Resolver) Explain(l *Lookup) Explanation {
	t := &trace{}
	l.Level, l.trace = LevelClaims, t
	var x Explanation
	v, recalled := r.Recall(l)
	switch l.kind {
	case signed:
		x.Outcome = r.explainToken(l, v, recalled)
		x.Key, x.Checks = t.Token.Key, t.checks()
		if t.fetches && x.Outcome.Code() == protocol.CodeKeysPending {
			x.SameKeys = &t.Outcome
		}
	case opaque:
		r.explainOpaque(l)
		x.Outcome, x.Checks = v.Outcome, t.rest
	case malformed:
		r.explainMalformed(l)
		x.Outcome, x.Checks = v.Outcome, t.checks()
		l.digest = DigestOf(l.Token) // a lookup of a malformed credential needs no digest
	}
	if r.ClockUnset() {
		x.Checks = append(x.Checks, Check{Name: "clock", Result: keyset.Failed, Detail: protocol.TextClockUnset})
	}
	x.Digest = hex.EncodeToString(l.digest[:6])
	x.Cache = r.cached(l)
	return x
}

// explainToken makes all checks of a token, even if memory has the answer. known is
// the answer from memory. The two may differ if the clock has been set since.
func (r *Resolver) explainToken(l *Lookup, known Verdict, recalled bool) protocol.Outcome {
	if !keyset.Gate(l.Token) {
		r.explainMalformed(l)
		return known.Outcome
	}
	w := walk{Resolver: r, l: l}
	v := r.verify(l, func() (Verdict, error) { return w.establish(), nil })
	if v.Status() == protocol.OK {
		r.noteTrouble(l, v.entry, l.profileKey(v.entry))
	}
	switch {
	case !recalled:
		return v.Outcome
	case !r.ClockUnset() && known.Outcome != v.Outcome:
		l.trace.note("memory", map[bool]keyset.Result{true: keyset.Passed, false: keyset.Failed}[known.Status() == protocol.OK],
			"what was found out earlier is remembered ("+known.Outcome.String()+"); by now the checks come to something else")
	}
	return known.Outcome
}

// explainMalformed makes the checks of a token that fails the first check.
func (r *Resolver) explainMalformed(l *Lookup) {
	now := r.now()
	current, usable := l.keys(now)
	l.trace.begin(l, current, usable, now)
	l.trace.verify(l, &keyset.Set{}, now)
	if text := wording.Untaken(l.Token, l.Project.config(), &l.Project.preset); text != "" && l.kind == malformed {
		l.trace.Token.Detail = text
	}
}

// explainOpaque says what is known on this host about a credential that only the
// upstream can judge.
func (r *Resolver) explainOpaque(l *Lookup) {
	now, key := r.now(), l.profileKey(nil)
	kind := l.door.String()
	if k, is := upstream.ParseAPIKey(l.Token); is && l.door == apiKeys {
		kind = wording.KeyKind(k)
	}
	if l.notAdmitted {
		l.trace.note("gate", keyset.NotReached, kind+", which only the upstream can judge")
		l.trace.note("class", keyset.Failed, "the project does not admit teams: allow in the configuration lacks \""+config.AllowTeam+"\"")
	} else {
		l.trace.note("gate", keyset.NotReached, kind+", which only the upstream can judge: ask PROFILE")
	}
	e := newEntry(l, &keyset.Claims{Expires: now}, 0, now) // the user is not known yet
	if found := r.profiles.get(key, l, now); found != nil {
		e = found.entry
	}
	if e.revoked(r.revocations) {
		l.trace.note("revocation", keyset.Failed, "the credential, its session or its user is revoked on this host")
	} else {
		l.trace.note("revocation", keyset.Passed, "not revoked on this host, as far as is known of the credential")
	}
	r.noteTrouble(l, nil, key)
}

// noteTrouble notes why a profile was not available, if this is known, and whether
// the upstream has denied the credential with claims e.
func (r *Resolver) noteTrouble(l *Lookup, e *entry, profile cache.Key) {
	if no, denied := r.profiles.denied(profile, l, e, r.now()); denied {
		text := "the last word of the upstream was no: " + string(no.reason)
		if no.reason == protocol.ReasonRejectedUpstream && l.introspects(e) {
			text += ". It calls the token inactive: its session has ended, its user is banned or deleted, or this host's client is not linked to the resource"
		}
		l.trace.note("profile", keyset.Failed, text)
	}
	if text, failed := r.profiles.troubles.Get(&profile); failed {
		l.trace.note("profile", keyset.Failed, "it could not be had a moment ago: "+text)
	}
}

// cached returns what memory has of the credential.
func (r *Resolver) cached(l *Lookup) Cached {
	now := r.now()
	c := Cached{Verdict: "miss", Profile: "miss"}
	var e *entry
	if l.kind != opaque {
		if e = r.memory.entry(&l.digest, now); e == nil || !e.alive(l.Project, now) || r.purges.Covers(e.revision, l.digest, e.user()) {
			return c
		}
		c.Verdict, c.Age = "hit", clock.Elapsed(e.established, now)
	}
	if found := r.profiles.get(l.profileKey(e), l, now); found != nil {
		c.Profile = "hit"
		if clock.Elapsed(found.asked, now) >= time.Duration(l.Project.config().ProfileFresh) {
			c.Profile = "stale"
		}
	}
	return c
}
