package keyset

import (
	"fmt"
	"time"

	"github.com/neonauthd/neonauthd/internal/strictjson"
	"github.com/neonauthd/neonauthd/protocol"
)

// MaxTried is how many keys are tried on a token that names none.
const MaxTried = 8

// errTooManyKeys says why a token that names no key cannot be judged.
var errTooManyKeys = fmt.Errorf("it names no key, and the key set has more of its algorithm than are tried (%d); have the issuer write kid", MaxTried)

// Verify judges a token by a policy, with the keys of a set, at an instant. It
// returns what the token says and that it is accepted, or zero Claims and the
// first reason against it in the order of the package comment; so a token that is
// both forged and expired is forged. Algorithms, keys and issuers come from
// policy and set alone: the token only says which of them it claims. Unless t
// is nil, Verify writes into it how each check went.
//
// Two outcomes are unknown: they say nothing about the token, and nobody may
// answer "no" to it or remember it for them. CodeUnavailable is a nil policy or
// set, or a panic in the judging code, whose value is dropped because it may hold
// parts of the token. CodeMisconfigured is a token whose key the set may have, but
// not as a key that can be used (see Set.Suspect); or a token that names no key, when none
// of the first MaxTried keys of its algorithm signed it and there are more.
//
// Verify is safe for concurrent use and keeps no reference to token.
func Verify(p *Policy, s *Set, token []byte, now time.Time, t *Trace) (Claims, protocol.Outcome) {
	var w walk
	claims, outcome := w.verify(p, s, token, now)
	if t != nil {
		*t = w.trace(p, token, outcome)
	}
	return claims, outcome
}

// walk is the way of one token through the checks.
type walk struct {
	at   Stage // the check under way, or the one that failed
	key  *Key  // the key that the token names or that signed it; nil before it is known
	flaw error // what failed in a header or payload; nil if the reason says it all
}

// verify is Verify, and leaves in w how far it came.
func (w *walk) verify(p *Policy, s *Set, token []byte, now time.Time) (claims Claims, outcome protocol.Outcome) {
	defer func() {
		if recover() != nil {
			claims, outcome = Claims{}, protocol.Outcome{}
		}
	}()
	if p == nil || s == nil {
		return Claims{}, protocol.Outcome{}
	}
	if !Gate(token) {
		return Claims{}, protocol.Rejected(protocol.ReasonMalformed)
	}
	w.at = StageHeader
	first, second, third := segments(token)
	h, err := readHeader(first)
	if err != nil {
		w.flaw = err
		return Claims{}, protocol.Rejected(protocol.ReasonMalformed)
	}
	alg := h.algorithm()
	if alg == "" || !p.allows(alg) {
		w.at, w.key = StageAlgorithm, s.Find(h.kid)
		return Claims{}, protocol.Rejected(protocol.ReasonWrongAlgorithm)
	}
	var reason protocol.Reason
	if reason, w.flaw = h.unfit(p); w.flaw != nil {
		return Claims{}, protocol.Rejected(reason)
	}
	w.at = StageKey
	input, signature := token[:len(first)+1+len(second)], decode(third, maxModulus/8)
	if outcome = w.signed(s, &h, input, signature); outcome.Status() != protocol.OK {
		return Claims{}, outcome
	}
	return w.claims(p, second, now)
}

// signed checks that a key of the set has signed the input. Where none has, the outcome is
// unknown if an entry of the set that cannot be used may be the token's key.
func (w *walk) signed(s *Set, h *header, input, signature []byte) protocol.Outcome {
	var outcome protocol.Outcome
	if h.hasKeyID {
		outcome = w.named(s, h, input, signature)
	} else {
		outcome = w.unnamed(s, h.algorithm(), input, signature)
	}
	if outcome.Status() != protocol.NO {
		return outcome
	}
	if u := s.suspect(h); u != nil {
		w.flaw = u.flaw(h)
		return protocol.Unknown(protocol.CodeMisconfigured)
	}
	if outcome.Reason() == protocol.ReasonWrongAlgorithm {
		w.at = StageAlgorithm
	}
	return outcome
}

// named checks the signature with the key that the header names.
func (w *walk) named(s *Set, h *header, input, signature []byte) protocol.Outcome {
	alg := h.algorithm()
	k := s.byUse[use{h.kid, alg}]
	if k == nil {
		if w.key = s.Find(h.kid); w.key != nil && !w.key.Withdrawn() || s.LeavesOut(h.kid) {
			return protocol.Rejected(protocol.ReasonWrongAlgorithm)
		}
		return protocol.Rejected(protocol.ReasonUnknownKey)
	}
	w.key = k
	if k.Withdrawn() {
		return protocol.Rejected(protocol.ReasonUnknownKey)
	}
	w.at = StageSignature
	if !k.verify(alg, input, signature) {
		return protocol.Rejected(protocol.ReasonBadSignature)
	}
	return protocol.Accepted()
}

// unnamed looks for the key that made the signature, among the keys of the
// token's algorithm.
func (w *walk) unnamed(s *Set, alg Algorithm, input, signature []byte) protocol.Outcome {
	tried := 0
	for _, k := range s.byAlg[alg] {
		if k.Withdrawn() {
			continue
		}
		w.at = StageSignature
		if tried++; tried > MaxTried {
			w.flaw = errTooManyKeys
			return protocol.Unknown(protocol.CodeMisconfigured)
		}
		if k.verify(alg, input, signature) {
			w.key = k
			return protocol.Accepted()
		}
	}
	if tried == 0 {
		return protocol.Rejected(protocol.ReasonUnknownKey)
	}
	return protocol.Rejected(protocol.ReasonBadSignature)
}

// claims reads and judges the payload of a token that w.key has signed.
func (w *walk) claims(p *Policy, segment []byte, now time.Time) (Claims, protocol.Outcome) {
	w.at = StageClaims
	text := decode(segment, MaxToken)
	c, err := readPayload(p, text)
	if err != nil {
		w.flaw = err
		return Claims{}, protocol.Rejected(protocol.ReasonMalformed)
	}
	a, reason := c.judge(now)
	if a == nil {
		w.at, w.flaw = stageOf(reason), c.flaw(reason)
		return Claims{}, protocol.Rejected(reason)
	}
	return Claims{
		Subject:   c.subject,
		Issuer:    c.issuer,
		Audience:  a.Name,
		Session:   c.session,
		Class:     c.class(a),
		Client:    c.client,
		Scope:     c.scope,
		IssuedAt:  c.issued.time(),
		NotBefore: c.notBefore.time(),
		Expires:   c.expires.time(),
		Key:       w.key,
		JSON:      strictjson.Line(text),
	}, protocol.Accepted()
}
