package daemon

import (
	"encoding/hex"
	"time"

	"github.com/neonauthd/neonauthd/cache"
	"github.com/neonauthd/neonauthd/daemon/clock"
	"github.com/neonauthd/neonauthd/daemon/keyring"
	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/daemon/upstream"
	"github.com/neonauthd/neonauthd/protocol"
)

// explanation is EXPLAIN's answer; protocol.md describes its members.
type explanation struct {
	Outcome  string        `json:"outcome"`
	Reason   string        `json:"reason"`
	Project  string        `json:"project"`
	Digest   string        `json:"digest"`
	Checks   []check       `json:"checks"`
	Key      *keyReport    `json:"key,omitempty"`
	Cache    cacheReport   `json:"cache"`
	Upstream upstreamStats `json:"upstream"`
	HTTP     int           `json:"http"`
}

type check struct {
	Check  string `json:"check"`
	Result string `json:"result"`
	Detail string `json:"detail"`
}

type cacheReport struct {
	Verdict string `json:"verdict"`
	Profile string `json:"profile"`
	Age     *int64 `json:"age,omitempty"`
}

// explain walks every check of one token, asking nobody and changing nothing.
func (a *admin) explain(r *protocol.Request) (protocol.Reply, *refusal) {
	p, _, refused := a.named(r)
	if refused != nil {
		return protocol.Reply{}, refused
	}
	if r.NArgs != 1 {
		return protocol.Reply{}, badRequest("takes one token as its argument")
	}
	l := &lookup{project: p, token: r.Args[0], digest: digestOf(r.Args[0])}
	l.classify()
	now := a.daemon.opts.Now()
	x := explanation{
		Project:  p.name,
		Digest:   hex.EncodeToString(l.digest[:6]),
		Upstream: upstreamReport(p, now),
	}
	v := a.verdict(&x, l, now)
	x.Outcome, x.Reason, x.HTTP = outcomeWord(v.Status()), v.Word(), v.HTTPStatus()
	x.Cache = a.memory(l, now)
	return object(x)
}

// verdict fills in the checks and returns what VERIFY would answer.
func (a *admin) verdict(x *explanation, l *lookup, now time.Time) Verdict {
	if l.kind == session {
		return a.walkSession(x, l, now)
	}
	v := a.walk(x, l.project, l.token, now)
	if now.Before(a.daemon.resolver.clockFloor) && l.kind != malformed {
		x.Checks = append(x.Checks, check{"clock", "fail", "this host's clock shows a time before this program was made: nothing is judged by it"})
		return unknown(protocol.CodeUnavailable, 0)
	}
	return v
}

// walkSession fills in what can be told of a session credential, and returns
// what VERIFY would answer.
func (a *admin) walkSession(x *explanation, l *lookup, now time.Time) Verdict {
	note := func(name, result, detail string) { x.Checks = append(x.Checks, check{name, result, detail}) }
	note("gate", "skip", "a session credential, which only the upstream can judge: ask PROFILE")
	key := l.profileKey(nil)
	e := sessionEntry(l.project, &upstream.Profile{Expires: now}, 0, now) // of nobody yet
	if found := a.daemon.profiles.get(key, l, now); found != nil {
		e = found.entry
	}
	if e.revoked(a.daemon.revocations, l.revoked()) {
		note("revocation", "fail", "the session or its user is revoked on this host")
	} else {
		note("revocation", "pass", "not revoked on this host, as far as is known of the session")
	}
	a.noteTrouble(key, note)
	return unknown(protocol.CodeNeedsProfile, 0)
}

// noteTrouble says why a profile could not be had, if that is known.
func (a *admin) noteTrouble(key cache.Key, note func(name, result, detail string)) {
	if text, failed := a.daemon.profiles.troubles.Get(&key); failed {
		note("profile", "fail", "it could not be had a moment ago: "+text)
	}
}

// walk fills in the checks and returns what VERIFY would answer.
func (a *admin) walk(x *explanation, p *project, token []byte, now time.Time) Verdict {
	note := func(name, result, detail string) { x.Checks = append(x.Checks, check{name, result, detail}) }
	keys := p.keys.Snapshot()
	usable, set := keys.Usable(now), &keyset.Set{} // the checks that need no key are shown in any case
	if usable {
		set = keys.Set()
	}
	var found keyset.Trace
	_, outcome := keyset.Verify(p.policy, set, token, now, &found)
	for i, s := range found.Steps {
		if i == 1 { // the keys come after the gate, which needs none
			note("key-set", map[bool]string{true: "pass", false: "fail"}[usable], p.keys.Standing(keys, now))
		}
		note(s.Name, s.Result.String(), detailOf(s, outcome, found.Detail))
	}
	if found.Key != nil {
		x.Key = reportKey(found.Key)
	}
	switch {
	case !keyset.Gate(token):
		return rejected(protocol.ReasonMalformed)
	case !usable:
		if keys != nil { // there were keys; the upstream has been gone for too long
			return unknown(protocol.CodeUnavailable, 0)
		}
		return unknown(protocol.CodeKeysPending, 0)
	case outcome.Status() == protocol.OK:
		return a.revoked(p, token, set, now, note)
	case outcome.Status() == protocol.ERR:
		return unknown(outcome.Code(), 0)
	}
	if _, doubtful := p.policy.Doubt(token, outcome); doubtful {
		return a.doubtful(p, token, outcome, keys, now, note)
	}
	return rejected(outcome.Reason())
}

// doubtful says what a lookup would learn of a key that the set lacks, or that
// may be out of date.
func (a *admin) doubtful(p *project, token []byte, outcome protocol.Outcome, keys *keyring.Snapshot, now time.Time, note func(name, result, detail string)) Verdict {
	kid := newerKey(&lookup{project: p, token: token, digest: digestOf(token)}, outcome, keys, now, now)
	if kid != "" && !p.keys.ProvenAbsent(kid) {
		note("refresh", "skip", "a lookup would have the key set fetched, at most once per cooldown")
		return unknown(protocol.CodeKeysPending, 0)
	}
	note("refresh", "fail", "no key of this upstream is the one, as it said within the cooldown")
	return rejected(outcome.Reason())
}

func (a *admin) revoked(p *project, token []byte, set *keyset.Set, now time.Time, note func(name, result, detail string)) Verdict {
	claims, _ := keyset.Verify(p.policy, set, token, now, nil)
	e := newEntry(p, &claims, a.daemon.floors.current(), now)
	if e.revoked(a.daemon.revocations, token) {
		note("revocation", "fail", "the token, its session, its user or its key is revoked on this host")
		return rejected(protocol.ReasonRevoked)
	}
	note("revocation", "pass", "not revoked on this host")
	a.noteTrouble(userKey(p.name, e.class, e.subject), note)
	return e.accept(SourceUpstream, now)
}

// memory says what is cached for the token.
func (a *admin) memory(l *lookup, now time.Time) cacheReport {
	report := cacheReport{Verdict: "miss", Profile: "miss"}
	var e *entry
	if l.kind != session {
		if e = a.daemon.memory.entry(&l.digest, now); e == nil || !e.alive(l.project, now) || !a.daemon.floors.above(e.revision, l.digest, e.user()) {
			return report
		}
		age := int64(clock.Elapsed(e.established, now) / time.Second)
		report.Verdict, report.Age = "hit", &age
	}
	if found := a.daemon.profiles.get(l.profileKey(e), l, now); found != nil {
		report.Profile = "hit"
		if clock.Elapsed(found.asked, now) >= time.Duration(l.project.config.ProfileFresh) {
			report.Profile = "stale"
		}
	}
	return report
}

// detailOf is a sentence on one check.
func detailOf(s keyset.Step, outcome protocol.Outcome, detail string) string {
	switch s.Result {
	case keyset.NotReached:
		return "not reached: an earlier check failed"
	case keyset.Failed:
		text := failures(outcome, s.Name)
		if detail != "" {
			text += ": " + detail
		}
		return text
	case keyset.Passed:
	}
	return map[string]string{
		"gate":      "three canonical base64url segments within the size limit",
		"header":    "one strict JSON object that asks for nothing refused",
		"algorithm": "one that the project admits",
		"key":       "the key set holds the key that is named",
		"signature": "made by that key over exactly this text",
		"claims":    "one strict JSON object with sub and exp",
		"issuer":    "one of the project's",
		"audience":  "the project's",
		"class":     "a class of users that the project admits",
		"time":      "not expired, and not before its time",
	}[s.Name]
}

func failures(outcome protocol.Outcome, step string) string {
	if outcome.Status() == protocol.ERR {
		return "the header names no key, and the key set has more of this algorithm than are tried; see that the issuer writes kid"
	}
	return map[protocol.Reason]string{
		protocol.ReasonMalformed:         "malformed at: " + step,
		protocol.ReasonWrongAlgorithm:    "the header's alg is not the key's, or not one that the project admits",
		protocol.ReasonUnknownKey:        "the key set holds no key of that id",
		protocol.ReasonBadSignature:      "the key that is named did not sign this text, or no key of the algorithm where none is named",
		protocol.ReasonMissingClaim:      "a claim that is needed is missing, or one that is read is of the wrong kind",
		protocol.ReasonWrongIssuer:       "iss is none of the project's issuers: check base_url and issuers",
		protocol.ReasonWrongAudience:     "aud is not the project's: a token for somebody else; check project_id or audiences",
		protocol.ReasonSenderConstrained: "the claim cnf binds the token to a key (DPoP, mutual TLS): it is no bearer token",
		protocol.ReasonClassNotAllowed:   "an anonymous or restricted user (see allow in the configuration), another role, or flags that contradict each other or the audience",
		protocol.ReasonExpired:           "exp is past, by this host's clock",
		protocol.ReasonNotYetValid:       "nbf or iat lies in the future, by this host's clock and the leeway",
	}[outcome.Reason()]
}

func outcomeWord(s protocol.Status) string {
	switch s {
	case protocol.OK:
		return "accepted"
	case protocol.NO:
		return "rejected"
	case protocol.ERR:
	}
	return "unknown"
}
