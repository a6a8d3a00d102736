package keyset

import "time"

// Said is what a token says of itself and of its issuer, whether that is true or
// not. It names no user. A field that is absent or cannot be read has the zero value.
type Said struct {
	Algorithm, KeyID string // of the header
	Type             string
	Issuer, Role     string
	Scope            string // of a Resource only
	// Audiences are the audiences of the token in the claim that the policy uses. If that
	// is another claim than "aud", Aud is what "aud" names, and HasAud tells that "aud" is
	// there.
	Audiences []string
	Aud       []string
	HasAud    bool
	// Class is what the audience stands for by the policy, admitted or not.
	Class Class
	// IssuedAt and Expires are rounded down to seconds, NotBefore is rounded up.
	IssuedAt, NotBefore, Expires time.Time
}

// said reads what a token that passed Gate says, as far as it can be read.
func said(p *Policy, token []byte) Said {
	first, second, _ := segments(token)
	h, err := readHeader(first)
	if err != nil {
		return Said{}
	}
	s := Said{Algorithm: h.alg, KeyID: h.kid, Type: h.typ}
	c, err := readPayload(p, decode(second, MaxToken))
	if err != nil {
		return s
	}
	s.Issuer, s.Role, s.Audiences, s.Scope = c.issuer, c.role, c.audiences, c.scope
	if p.AudienceClaim != "" {
		s.Audiences, s.Aud, s.HasAud = nil, c.audiences, c.hasAudience
		if c.stated {
			s.Audiences = []string{c.client}
		}
	}
	s.IssuedAt, s.NotBefore, s.Expires = c.issued.time(), c.notBefore.time(), c.expires.time()
	for _, known := range [][]Audience{p.Admitted, p.Refused} {
		if a, _ := match(known, c.issuer, c.addressees()); a != nil {
			s.Class = c.class(a)
		}
	}
	return s
}
