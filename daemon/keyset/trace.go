package keyset

import "github.com/neonauthd/neonauthd/protocol"

// Trace is how the checks of one token went. The zero value says that none was
// made.
type Trace struct {
	Steps []Step // every check, in order
	Key   *Key   // of the set: the one that the token names or that signed it; nil if there is none
	// Detail says what is wrong at the check that failed, if the reason alone does not: a
	// phrase that may name a member of header or payload and its kind, and holds no value.
	// May be empty.
	Detail string
	// Said is what the token says, for a comparison with what it should say. It is read
	// only if the token passed the gate, and proves nothing.
	Said Said
}

// Step is one check of a token in the order of the package comment. The zero
// Result means that the check was not reached.
type Step struct {
	Stage  Stage
	Result Result
}

// Result is how a check went.
type Result uint8

// The results.
const (
	NotReached Result = iota
	Passed
	Failed
)

// String returns pass, fail or skip.
func (r Result) String() string {
	switch r {
	case Passed:
		return "pass"
	case Failed:
		return "fail"
	default:
		return "skip"
	}
}

// trace tells how the checks went that ended with the outcome. If the token could not be
// judged, nothing is known of any check, and none counts as reached.
func (w *walk) trace(p *Policy, token []byte, outcome protocol.Outcome) Trace {
	steps := make([]Step, stages)
	for i := range steps {
		steps[i].Stage = Stage(i)
	}
	reached := int(w.at)
	switch {
	case outcome == protocol.Unknown(protocol.CodeUnavailable):
		return Trace{Steps: steps}
	case outcome.Status() == protocol.OK:
		reached = len(steps)
	default:
		steps[reached].Result = Failed
	}
	if outcome.Status() == protocol.NO && w.at == StageGate {
		w.flaw = gateFlaw(token)
	}
	for i := range reached {
		steps[i].Result = Passed
	}
	t := Trace{Steps: steps, Key: w.key, Detail: detail(w.flaw)}
	if w.at != StageGate {
		t.Said = said(p, token)
	}
	if w.at == StageHeader && outcome == protocol.Rejected(protocol.ReasonWrongType) {
		t.Detail += kindByClaims(p, token)
	}
	return t
}

// kindByClaims says what kind of token this is by its claims, if the policy wants another
// typ. It begins with a comma; "" if the claims say nothing.
func kindByClaims(p *Policy, token []byte) string {
	_, second, _ := segments(token)
	c, err := readPayload(p, decode(second, MaxToken))
	switch {
	case err != nil:
		return ""
	case c.other == "at_hash", c.other == "c_hash":
		return ", and its claims are those of an ID token, which tells an application who has signed in and lets nobody in"
	case p.Resource && c.other == "" && c.client == "":
		return ", and its claims name no client: it is the token of a session, and the project takes access tokens for its resources only"
	}
	return ""
}
