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

// Explain judges like Verify and tells how each check went. It names no key
// that is not in the set. Where the reason is Unverifiable nothing is known of
// any check, and none counts as reached. Safe for concurrent use.
func Explain(p *Policy, s *Set, token []byte, now time.Time) (steps []Step, key *Key, reason Reason) {
	steps = []Step{
		{Name: "gate"}, {Name: "header"}, {Name: "algorithm"}, {Name: "key"}, {Name: "signature"},
		{Name: "claims"}, {Name: "issuer"}, {Name: "audience"}, {Name: "class"}, {Name: "time"},
	}
	claims, reason := Verify(p, s, token, now)
	if reason == Unverifiable {
		return steps, nil, reason //nolint:nilerr // a Reason is an outcome here, not a failure
	}
	reached := len(steps)
	if reason != ReasonNone {
		reached = p.stage(s, token, reason)
		steps[reached].Result = Failed
	}
	for i := range reached {
		steps[i].Result = Passed
	}
	if claims.Key != nil {
		return steps, claims.Key, reason
	}
	if !Gate(token) {
		return steps, nil, reason
	}
	if kid, plausible := KeyID(token); plausible {
		key = s.Find(kid)
	}
	return steps, key, reason
}

// stage is the index of the step that reason comes from.
func (p *Policy) stage(s *Set, token []byte, reason Reason) int {
	switch reason {
	case Malformed:
		return p.malformedStage(s, token)
	case WrongAlgorithm:
		return 2
	case UnknownKey:
		return 3
	case BadSignature:
		return 4
	case MissingClaim, SenderConstrained:
		return 5
	case WrongIssuer:
		return 6
	case WrongAudience:
		return 7
	case ClassNotAllowed:
		return 8
	default: // Expired, NotYetValid
		return 9
	}
}

// malformedStage tells which of the three texts is not as it has to be, or that
// the header names no key where several could be meant.
func (p *Policy) malformedStage(s *Set, token []byte) int {
	if !Gate(token) {
		return 0
	}
	first, _, _ := segments(token)
	h, ok := readHeader(first)
	if !ok || !h.typeFits(p) || !h.hasKeyID && !p.KeyIDOptional {
		return 1
	}
	if !h.hasKeyID {
		if _, reason := s.only(h.algorithm()); reason != ReasonNone {
			return 3
		}
	}
	return 5
}
