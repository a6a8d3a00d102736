package resolve

import (
	"time"

	"github.com/neonauthd/neonauthd/daemon/keyring"
	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/protocol"
)

// Check is one check of a credential and how it went.
type Check struct {
	Name   string
	Result keyset.Result
	Detail string // a sentence; it may name a member of header or payload and the member's kind, but holds no value
	// Is is the token's value at the check, and Wants is what the project demands
	// there. Neither names a user; both may be "". Is is foreign text, in visible
	// ASCII and cut.
	Is, Wants string
}

// trace collects, during a lookup, how each check went. A nil trace collects
// nothing.
type trace struct {
	keys    Check            // whether there is a key set for the check
	set     *keyset.Set      // the keys of the check; nil if there were none
	policy  *keyset.Policy   // the rules of the check; nil if there were none
	at      time.Time        // when the token was judged
	token   keyset.Trace     // how the checks of the token went
	outcome protocol.Outcome // of the checks of the token
	fetches bool             // a lookup would have the key set fetched before it answers with outcome
	rest    []Check          // the other checks, in their order
}

// begin begins a round of checks with a key set. If the key set is not usable,
// begin makes the checks that need no key, so that their results are known too.
func (t *trace) begin(l *Lookup, keys *keyring.Snapshot, usable bool, now time.Time) {
	if t == nil {
		return
	}
	*t = trace{keys: Check{Name: "key-set", Result: keyset.Passed, Detail: l.Project.keys.Describe(keys, now)}}
	if !usable {
		t.keys.Result = keyset.Failed
		t.verify(l, &keyset.Set{}, now)
	}
}

// verify makes the cryptographic check, and traces it unless t is nil.
func (t *trace) verify(l *Lookup, set *keyset.Set, now time.Time) (claims keyset.Claims, outcome protocol.Outcome) {
	if t == nil {
		return keyset.Verify(l.rules(), set, l.Token, now, nil)
	}
	t.set, t.policy, t.at = set, l.rules(), now
	claims, t.outcome = keyset.Verify(t.policy, set, l.Token, now, &t.token)
	return claims, t.outcome
}

// sought notes the result of the search for another key.
func (t *trace) sought(f keyring.SeekResult) {
	switch f {
	case keyring.Pending:
		if t != nil {
			t.fetches = true
			t.note("refresh", keyset.NotReached, "a lookup would have the key set fetched first, at most once per cooldown; if its keys are still the same, the answer is "+t.outcome.String())
		}
	case keyring.Absent:
		t.note("refresh", keyset.Failed, "no key of this upstream is the one, as it said within the cooldown or the last 2 seconds")
	case keyring.Changed: // another round follows
	}
}

// revocation notes whether the token is revoked.
func (t *trace) revocation(revoked bool) {
	if revoked {
		t.note("revocation", keyset.Failed, "the token, its session, its user or its key is revoked on this host")
		return
	}
	t.note("revocation", keyset.Passed, "not revoked on this host")
}

func (t *trace) note(name string, result keyset.Result, detail string) {
	if t != nil {
		t.rest = append(t.rest, Check{Name: name, Result: result, Detail: detail})
	}
}

// checks returns all checks, in their order.
func (t *trace) checks() []Check {
	var all []Check
	for i, step := range t.token.Steps {
		if i == 1 { // the key set comes after the gate, which needs no key
			all = append(all, t.keys)
		}
		is, wants := t.values(step.Name)
		all = append(all, Check{step.Name, step.Result, t.detail(step), is, wants})
	}
	return append(all, t.rest...)
}

// detail returns a sentence about one check of the token.
func (t *trace) detail(s keyset.Step) string {
	switch s.Result {
	case keyset.Passed:
		return passed(s.Name)
	case keyset.Failed:
		text := failed(t.outcome, s.Name)
		if t.token.Detail != "" {
			text += ": " + t.token.Detail
		}
		return text
	case keyset.NotReached:
	}
	return "not reached: an earlier check failed"
}

// passed returns what it means that a check of the token has passed.
func passed(step string) string {
	return map[string]string{
		"gate":      "three canonical base64url segments within the size limit",
		"header":    "one strict JSON object that asks for nothing refused",
		"algorithm": "one that the project admits",
		"key":       "the key set holds the key that is named",
		"signature": "made by that key over exactly this text",
		"claims":    "one strict JSON object with the claims that have to be there",
		"issuer":    "one of the project's",
		"audience":  "the project's",
		"class":     "a class of users that the project admits",
		"time":      "not expired, and not before its time",
		"scope":     "every scope that the project demands",
	}[step]
}

// failed returns what is wrong with a token that has this outcome, at the check
// that failed, and where to look. A test compares the list with the protocol's
// reasons.
func failed(outcome protocol.Outcome, step string) string {
	if outcome.Status() != protocol.NO {
		return "the header names no key, and the key set has more of this algorithm than are tried; see that the issuer writes kid"
	}
	return map[protocol.Reason]string{
		protocol.ReasonMalformed:         "malformed at: " + step,
		protocol.ReasonWrongType:         "a token of another kind: typ or a claim says what it is for, and it is not for this project",
		protocol.ReasonInsufficientScope: "the claim scope lacks a scope that the project demands",
		protocol.ReasonWrongAlgorithm:    "the header's alg is not the key's, or not one that the project admits",
		protocol.ReasonUnknownKey:        "the key set holds no key of that id",
		protocol.ReasonBadSignature:      "the key that is named did not sign this text, or no key of the algorithm where none is named",
		protocol.ReasonMissingClaim:      "a claim that is needed is missing, or one that is read is of the wrong kind",
		protocol.ReasonWrongIssuer:       "iss is none of the project's issuers: check base_url and issuers",
		protocol.ReasonWrongAudience:     "aud, or what audience_claim names in its place, is not the project's: a token for somebody else; check project_id, audiences or resources",
		protocol.ReasonSenderConstrained: "the claim cnf binds the token to a key (DPoP, mutual TLS): it is no bearer token",
		protocol.ReasonClassNotAllowed:   "an anonymous or restricted user or a machine (see allow in the configuration), another role, or flags that contradict each other or the audience",
		protocol.ReasonExpired:           "exp is past, by this host's clock",
		protocol.ReasonNotYetValid:       "nbf or iat lies in the future, by this host's clock and the leeway",
	}[outcome.Reason()]
}
