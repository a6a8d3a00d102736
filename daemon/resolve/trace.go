package resolve

import (
	"time"

	"github.com/neonauthd/neonauthd/daemon/keyring"
	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/daemon/resolve/wording"
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
	wording.Judgement // of the token

	keys    Check   // whether there is a key set for the check
	fetches bool    // a lookup would have the key set fetched before it answers with the outcome
	rest    []Check // the other checks, in their order
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
	t.Set, t.Policy, t.At = set, l.rules(), now
	claims, t.Outcome = keyset.Verify(t.Policy, set, l.Token, now, &t.Token)
	return claims, t.Outcome
}

// sought notes the result of the search for another key.
func (t *trace) sought(f keyring.SeekResult) {
	switch f {
	case keyring.Pending:
		if t != nil {
			t.fetches = true
			t.note("refresh", keyset.NotReached, "a lookup would have the key set fetched first, at most once per cooldown; if its keys are still the same, the answer is "+t.Outcome.String())
		}
	case keyring.Absent:
		t.note("refresh", keyset.Failed, "the upstream has published no other keys, as it said within the cooldown or the last 2 seconds")
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
	for _, step := range t.Token.Steps {
		if step.Stage == keyset.StageHeader { // the key set comes after the gate, which needs no key
			all = append(all, t.keys)
		}
		is, wants := t.Values(step.Stage)
		all = append(all, Check{step.Stage.String(), step.Result, t.Detail(step), is, wants})
	}
	return append(all, t.rest...)
}
