package keyset

import "time"

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
func Verify(p *Policy, s *Set, token []byte, now time.Time) (claims Claims, reason Reason) {
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
	first, second, third := segments(token)
	h, ok := readHeader(first)
	if !ok {
		return Claims{}, Malformed
	}
	k, reason := p.key(s, &h)
	if reason != ReasonNone {
		return Claims{}, reason
	}
	signature := decode(third, k.signature)
	if signature == nil || !k.verify(token[:len(first)+1+len(second)], signature) {
		return Claims{}, BadSignature
	}
	return p.claims(k, second, now)
}

// key chooses the key that has to have signed, and refuses everything in the
// header that the policy does not allow.
func (p *Policy) key(s *Set, h *header) (*Key, Reason) {
	alg := h.algorithm()
	if alg == "" || !p.allows(alg) {
		return nil, WrongAlgorithm
	}
	if !h.typeFits(p) {
		return nil, Malformed
	}
	var k *Key
	switch {
	case h.hasKeyID && plausibleKeyID(h.kid):
		k = s.Find(h.kid)
	case h.hasKeyID:
		return nil, UnknownKey
	case p.KeyIDOptional:
		var reason Reason
		if k, reason = s.only(alg); reason != ReasonNone {
			return nil, reason
		}
	default:
		return nil, Malformed
	}
	if k == nil || k.Withdrawn() {
		return nil, UnknownKey
	}
	if k.algorithm != alg {
		return nil, WrongAlgorithm
	}
	return k, ReasonNone
}

// claims reads and judges the payload of a token that k has signed.
func (p *Policy) claims(k *Key, segment []byte, now time.Time) (Claims, Reason) {
	text := decode(segment, maxPayload)
	if text == nil {
		return Claims{}, Malformed
	}
	c, ok := readPayload(p, text)
	if !ok {
		return Claims{}, Malformed
	}
	a, reason := c.judge(now)
	if reason != ReasonNone {
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
		Key:       k,
		JSON:      oneLine(text),
	}, ReasonNone
}
