package keyset

import (
	"slices"
	"strings"
	"time"

	"github.com/neonauthd/neonauthd/internal/strictjson"
	"github.com/neonauthd/neonauthd/protocol"
)

const (
	// maxAnswerDepth is how deep arrays and objects of an answer may nest.
	maxAnswerDepth = 64
	// withoutEnd is how long a token is good if the answer does not say when it ends. Then
	// it has to be asked about again, whatever else is configured.
	withoutEnd = 24 * time.Hour
)

// Introspection is what an introspection endpoint says of a token that it calls
// active (RFC 7662 section 2.2). It proves neither the token's form nor its audience: an
// endpoint also calls tokens active that are for other resources or bound to a key. Make it
// with ReadIntrospection.
type Introspection struct {
	said *payload
	kind tokenKind
}

// tokenKind is what "token_type" stands for.
type tokenKind uint8

const (
	unknownKind tokenKind = iota
	bearer
	boundToKey
	refreshToken
)

// ReadIntrospection reads an answer, which is one strict JSON object, for a policy.
// The error says what is wrong with the answer, and repeats no value of it.
func (p *Policy) ReadIntrospection(text []byte) (*Introspection, error) {
	i := &Introspection{said: &payload{policy: p}, kind: bearer}
	rules := strictjson.Rules{MaxDepth: maxAnswerDepth, Read: answerNames}
	err := rules.Members(text, func(name []byte, value strictjson.Value) error {
		if value.Kind() == 'n' || string(name) == "aud" && string(value) == "[]" { // some servers write absent members so
			return nil
		}
		switch string(name) {
		case "token_type":
			i.kind = tokenTypeOf(value)
		case "token_use":
			if exactText(value) == "refresh_token" {
				i.kind = refreshToken
			}
		}
		return i.said.member(name, value)
	})
	switch {
	case err != nil:
		return nil, err
	case i.said.misfit != nil:
		return nil, i.said.misfit
	case i.kind == unknownKind:
		return nil, &flaw{"token_type", "names a kind of token that is not known here"}
	}
	return i, nil
}

// tokenTypeOf reads "token_type" (RFC 6749 section 7.1): case does not matter in the names,
// and some servers write the use of the token there.
func tokenTypeOf(value strictjson.Value) tokenKind {
	switch strings.ToLower(exactText(value)) {
	case "bearer", "access_token":
		return bearer
	case "dpop", "pop", "mac":
		return boundToKey
	case "refresh_token":
		return refreshToken
	}
	return unknownKind
}

// Token judges an opaque token at an instant, by the answer alone. The claims are as those
// that Verify returns, except that Key and JSON are nil. If "sub" is absent, the client
// acts for itself; without "exp" the token is good for a day.
//
// The outcome is unknown where the answer does not say whose the token is.
func (i *Introspection) Token(now time.Time) (Claims, protocol.Outcome) {
	c := *i.said
	if c.subject == "" {
		c.subject = c.client
	}
	if c.subject == "" {
		return Claims{}, protocol.Unknown(protocol.CodeUnavailable)
	}
	if reason := i.against(now, true); reason != "" {
		return Claims{}, protocol.Rejected(reason)
	}
	claims := Claims{
		Subject:   c.subject,
		Issuer:    c.issuer,
		Session:   c.session,
		Class:     c.class(&Audience{Class: ClassNormal}),
		Client:    c.client,
		Scope:     c.scope,
		IssuedAt:  c.issued.time(),
		NotBefore: c.notBefore.time(),
		Expires:   c.expires.time(),
	}
	if !c.expires.present {
		claims.Expires = now.Add(withoutEnd)
	}
	if claims.Class == ClassMachine && !c.policy.Machines {
		return Claims{}, protocol.Rejected(protocol.ReasonClassNotAllowed)
	}
	return claims, protocol.Accepted()
}

// Confirms compares the answer, at an instant, with the claims of a token that Verify
// has accepted, which were read in the same way. A member that is absent from the answer
// denies nothing. If the answer is about another token, the outcome is unknown, and
// other names the member that shows this.
func (i *Introspection) Confirms(token *Introspection, now time.Time) (outcome protocol.Outcome, other string) {
	answer, claims := i.said, token.said
	for _, one := range []struct{ name, answer, token string }{
		{"sub", answer.subject, claims.subject},
		{"iss", answer.issuer, claims.issuer},
		{"client_id", answer.client, claims.client},
		{"sid", answer.session, claims.session},
	} {
		if one.answer != "" && one.token != "" && one.answer != one.token {
			return protocol.Unknown(protocol.CodeUnavailable), one.name
		}
	}
	if reason := i.against(now, false); reason != "" {
		return protocol.Rejected(reason), ""
	}
	return protocol.Accepted(), ""
}

// Ends is when the token ends by the answer; zero if the answer does not say.
func (i *Introspection) Ends() time.Time { return i.said.expires.time() }

// against is the first reason that the answer gives against the token. About an opaque
// token nothing else is known, so the answer must have the required audience and scope.
func (i *Introspection) against(now time.Time, opaque bool) protocol.Reason {
	c := i.said
	untimely := c.untimely(now)
	switch {
	case c.bound || i.kind == boundToKey:
		return protocol.ReasonSenderConstrained
	case c.other != "" || i.kind == refreshToken:
		return protocol.ReasonWrongType
	case c.issuer != "" && !issues(c.policy.Admitted, c.issuer):
		return protocol.ReasonWrongIssuer
	case c.namesOthers(opaque):
		return protocol.ReasonWrongAudience
	case untimely != "":
		return untimely
	case (opaque || c.scope != "") && c.lacksScope():
		return protocol.ReasonInsufficientScope
	}
	return ""
}

// namesOthers tells whether the answer says that the token is for others. Better Auth names
// no audience if the client asked for no resource. If the policy has an AudienceClaim, the
// token has no "aud", but the answer may have one: then the answer's "aud" counts, as in an
// answer about any other token.
func (c *payload) namesOthers(opaque bool) bool {
	told := c.hasAudience || c.stated
	if !told {
		return opaque && !c.policy.AudienceOptional
	}
	names := c.audiences
	if !c.hasAudience {
		names = c.addressees()
	}
	return !slices.ContainsFunc(c.policy.Admitted, func(a Audience) bool { return a.Name != "" && slices.Contains(names, a.Name) })
}
