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

// Explain judges as Verify does, by the same walk, and tells how each check
// went. The key is that of the set which the token names or which signed it,
// nil if there is none. Where the reason is Unverifiable nothing is known of
// any check, and none counts as reached. Safe for concurrent use.
func Explain(p *Policy, s *Set, token []byte, now time.Time) (steps []Step, key *Key, reason Reason) {
	steps = []Step{
		{Name: "gate"}, {Name: "header"}, {Name: "algorithm"}, {Name: "key"}, {Name: "signature"},
		{Name: "claims"}, {Name: "issuer"}, {Name: "audience"}, {Name: "class"}, {Name: "time"},
	}
	var w walk
	_, reason = w.verify(p, s, token, now)
	if reason == Unverifiable {
		return steps, nil, reason //nolint:nilerr // a Reason is an outcome here, not a failure
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
	return steps, w.key, reason
}
