package keyset

import (
	"time"

	"github.com/neonauthd/neonauthd/internal/strictjson"
)

// MaxTried is how many keys are tried on a token that names none.
const MaxTried = 8

// Verify judges a token by a policy, with the keys of a set, at an instant. It
// returns what the token says and ReasonNone, or zero Claims and the first
// reason against it in the order of the package comment; so a token that is
// both forged and expired is forged. Algorithms, keys and issuers come from
// policy and set alone: the token only says which of them it claims.
//
// A nil policy or set, or a panic in the judging code, is Unverifiable: no
// proof in either direction. The panic's value is dropped, because it may hold
// parts of the token. Verify is safe for concurrent use and keeps no reference
// to token.
func Verify(p *Policy, s *Set, token []byte, now time.Time) (Claims, Reason) {
	var w walk
	return w.verify(p, s, token, now)
}

// walk is the way of one token through the checks.
type walk struct {
	at   stage // the check under way, or the one that failed
	key  *Key  // the key that the token names or that signed it; nil before it is known
	flaw error // what failed in a header or payload; nil if the reason says it all
}

// verify is Verify, and leaves in w how far it came.
func (w *walk) verify(p *Policy, s *Set, token []byte, now time.Time) (claims Claims, reason Reason) {
	defer func() {
		if recover() != nil {
			claims, reason = Claims{}, Unverifiable
		}
	}()
	if p == nil || s == nil {
		return Claims{}, Unverifiable
	}
	if !Gate(token) {
		return Claims{}, Malformed
	}
	w.at = stageHeader
	first, second, third := segments(token)
	h, err := readHeader(first)
	if err != nil {
		w.flaw = err
		return Claims{}, Malformed
	}
	alg := h.algorithm()
	if alg == "" || !p.allows(alg) {
		w.at, w.key = stageAlgorithm, s.Find(h.kid)
		return Claims{}, WrongAlgorithm
	}
	if w.flaw = h.unfit(p); w.flaw != nil {
		return Claims{}, Malformed
	}
	w.at = stageKey
	input, signature := token[:len(first)+1+len(second)], decode(third, maxModulus/8)
	if h.hasKeyID {
		reason = w.named(s, &h, alg, input, signature)
	} else {
		reason = w.unnamed(s, alg, input, signature)
	}
	if reason != ReasonNone {
		return Claims{}, reason
	}
	return w.claims(p, second, now)
}

// named checks the signature with the key that the header names.
func (w *walk) named(s *Set, h *header, alg Algorithm, input, signature []byte) Reason {
	k := s.byUse[use{h.kid, alg}]
	if k == nil {
		if w.key = s.Find(h.kid); w.key == nil || w.key.Withdrawn() {
			return UnknownKey
		}
		w.at = stageAlgorithm
		return WrongAlgorithm
	}
	w.key = k
	if k.Withdrawn() {
		return UnknownKey
	}
	w.at = stageSignature
	if !k.verify(alg, input, signature) {
		return BadSignature
	}
	return ReasonNone
}

// unnamed looks for the key that made the signature, among the keys of the
// token's algorithm.
func (w *walk) unnamed(s *Set, alg Algorithm, input, signature []byte) Reason {
	tried := 0
	for _, k := range s.byAlg[alg] {
		if k.Withdrawn() {
			continue
		}
		w.at = stageSignature
		if tried++; tried > MaxTried {
			return TooManyKeys
		}
		if k.verify(alg, input, signature) {
			w.key = k
			return ReasonNone
		}
	}
	if tried == 0 {
		return UnknownKey
	}
	return BadSignature
}

// claims reads and judges the payload of a token that w.key has signed.
func (w *walk) claims(p *Policy, segment []byte, now time.Time) (Claims, Reason) {
	w.at = stageClaims
	text := decode(segment, MaxToken)
	c, err := readPayload(p, text)
	if err != nil {
		w.flaw = err
		return Claims{}, Malformed
	}
	a, reason := c.judge(now)
	if reason != ReasonNone {
		if w.at = stageOf(reason); reason == MissingClaim {
			w.flaw = c.missing()
		}
		return Claims{}, reason
	}
	return Claims{
		Subject:   c.subject,
		Issuer:    c.issuer,
		Audience:  a.Name,
		Session:   c.session,
		Class:     a.Class,
		IssuedAt:  c.issued.time(),
		NotBefore: c.notBefore.time(),
		Expires:   c.expires.time(),
		Key:       w.key,
		JSON:      strictjson.Line(text),
	}, ReasonNone
}
