package keyset

import "time"

// Step is one check of a token in the order of the package comment. The zero
// Result means that the check was not reached.
type Step struct {
	Name   string // gate, header, algorithm, key, signature, claims, issuer, audience, class, time
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

// Explanation is how the checks of one token went.
type Explanation struct {
	Steps  []Step // every check, in order
	Key    *Key   // of the set: the one that the token names or that signed it; nil if there is none
	Reason Reason
	// Detail says what is wrong at the check that failed, where the reason alone
	// does not: a phrase that may name a member of header or payload and its
	// kind, and holds no value. May be empty.
	Detail string
}

// Explain judges as Verify does, by the same walk, and tells how each check
// went. Where the reason is Unverifiable nothing is known of any check, and none
// counts as reached. Safe for concurrent use.
func Explain(p *Policy, s *Set, token []byte, now time.Time) Explanation {
	steps := []Step{
		{Name: "gate"}, {Name: "header"}, {Name: "algorithm"}, {Name: "key"}, {Name: "signature"},
		{Name: "claims"}, {Name: "issuer"}, {Name: "audience"}, {Name: "class"}, {Name: "time"},
	}
	var w walk
	_, reason := w.verify(p, s, token, now)
	if reason == Unverifiable {
		return Explanation{Steps: steps, Reason: reason}
	}
	if reason == Malformed && w.at == stageGate {
		w.flaw = gateFlaw(token)
	}
	reached := int(w.at)
	if reason == ReasonNone {
		reached = len(steps)
	} else {
		steps[reached].Result = Failed
	}
	for i := range reached {
		steps[i].Result = Passed
	}
	return Explanation{Steps: steps, Key: w.key, Reason: reason, Detail: detail(w.flaw)}
}
