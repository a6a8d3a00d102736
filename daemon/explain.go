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
	x.Outcome, x.Reason, x.HTTP = outcomeWord(v.Outcome), "", 200
	if v.Outcome != Accepted {
		x.Reason, x.HTTP = wireOf(v.Reason).word, httpStatus(&v)
	}
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
		return unknown(Unavailable, 0)
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
	return unknown(NeedsProfile, 0)
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
	found := keyset.Explain(p.policy, set, token, now)
	reason := found.Reason
	for i, s := range found.Steps {
		if i == 1 { // the keys come after the gate, which needs none
			note("key-set", map[bool]string{true: "pass", false: "fail"}[usable], p.keys.Standing(keys, now))
		}
		note(s.Name, s.Result.String(), detailOf(s, &found))
	}
	if found.Key != nil {
		x.Key = reportKey(found.Key)
	}
	switch {
	case !keyset.Gate(token):
		return rejected(Malformed)
	case !usable:
		if keys != nil { // there were keys; the upstream has been gone for too long
			return unknown(Unavailable, 0)
		}
		return unknown(KeysPending, 0)
	case reason == keyset.ReasonNone:
		return a.revoked(p, token, set, now, note)
	case reason == keyset.TooManyKeys:
		return unknown(Misconfigured, 0)
	case fromKeyset(reason) == ReasonNone:
		return unknown(Unavailable, 0)
	}
	if _, doubtful := p.policy.Doubt(token, reason); doubtful {
		return a.doubtful(p, token, reason, keys, now, note)
	}
	return rejected(fromKeyset(reason))
}

// doubtful says what a lookup would learn of a key that the set lacks, or that
// may be out of date.
func (a *admin) doubtful(p *project, token []byte, reason keyset.Reason, keys *keyring.Snapshot, now time.Time, note func(name, result, detail string)) Verdict {
	kid := newerKey(&lookup{project: p, token: token, digest: digestOf(token)}, reason, keys, now, now)
	if kid != "" && !p.keys.ProvenAbsent(kid) {
		note("refresh", "skip", "a lookup would have the key set fetched, at most once per cooldown")
		return unknown(KeysPending, 0)
	}
	note("refresh", "fail", "no key of this upstream is the one, as it said within the cooldown")
	return rejected(fromKeyset(reason))
}

func (a *admin) revoked(p *project, token []byte, set *keyset.Set, now time.Time, note func(name, result, detail string)) Verdict {
	claims, _ := keyset.Verify(p.policy, set, token, now)
	e := newEntry(p, &claims, a.daemon.floors.current(), now)
	if e.revoked(a.daemon.revocations, token) {
		note("revocation", "fail", "the token, its session, its user or its key is revoked on this host")
		return rejected(Revoked)
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
func detailOf(s keyset.Step, found *keyset.Explanation) string {
	switch s.Result {
	case keyset.NotReached:
		return "not reached: an earlier check failed"
	case keyset.Failed:
		text := failures(found.Reason, s.Name)
		if found.Detail != "" {
			text += ": " + found.Detail
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

func failures(reason keyset.Reason, step string) string {
	return map[keyset.Reason]string{
		keyset.Malformed:         "malformed at: " + step,
		keyset.WrongAlgorithm:    "the header's alg is not the key's, or not one that the project admits",
		keyset.UnknownKey:        "the key set holds no key of that id",
		keyset.BadSignature:      "the key that is named did not sign this text, or no key of the algorithm where none is named",
		keyset.TooManyKeys:       "the header names no key, and the key set has more of this algorithm than are tried; see that the issuer writes kid",
		keyset.MissingClaim:      "a claim that is needed is missing, or one that is read is of the wrong kind",
		keyset.WrongIssuer:       "iss is none of the project's issuers: check base_url and issuers",
		keyset.WrongAudience:     "aud is not the project's: a token for somebody else; check project_id or audiences",
		keyset.SenderConstrained: "the claim cnf binds the token to a key (DPoP, mutual TLS): it is no bearer token",
		keyset.ClassNotAllowed:   "an anonymous or restricted user (see allow in the configuration), another role, or flags that contradict each other or the audience",
		keyset.Expired:           "exp is past, by this host's clock",
		keyset.NotYetValid:       "nbf or iat lies in the future, by this host's clock and the leeway",
	}[reason]
}

func outcomeWord(o Outcome) string {
	switch o {
	case Accepted:
		return "accepted"
	case Rejected:
		return "rejected"
	default:
		return "unknown"
	}
}

// httpStatus is what a proxy in front of an application would answer.
func httpStatus(v *Verdict) int {
	switch {
	case v.Outcome == Accepted:
		return 200
	case v.Outcome == Unknown:
		return 503
	case v.Reason == ClassNotAllowed:
		return 403
	default:
		return 401
	}
}
