package keyset

import (
	"bytes"
	"slices"
	"time"

	"github.com/neonauthd/neonauthd/internal/strictjson"
	"github.com/neonauthd/neonauthd/protocol"
)

// MaxUserinfo is the largest signed answer of a userinfo endpoint that is read, in bytes.
const MaxUserinfo = 4 << 20

// Userinfo verifies a signed answer of a userinfo endpoint (OpenID Connect Core 1.0 section
// 5.3.2), which was asked with a token that Verify has accepted, and returns its payload.
// The rules for header, algorithm, key and signature are those for tokens, but for the
// size and "typ", which is absent or "JWT". "iss" has to be the token's. If "aud" is there, it has to name the client
// that got the token, or an audience of the policy. If "exp", "nbf" and "iat" are there, they have to fit. An answer
// that is an ID token or a logout token by its claims is refused. The caller has to check whose userinfo it is.
//
// A rejection is about the answer, and says nothing about the token or its user; detail says why, in closed words, if
// the reason does not. Doubt tells whether a newer key set might change it.
func (p *Policy) Userinfo(s *Set, answer, token []byte, now time.Time) (payload []byte, outcome protocol.Outcome, detail string) {
	defer func() {
		if recover() != nil {
			payload, outcome, detail = nil, protocol.Outcome{}, ""
		}
	}()
	payload, outcome, detail = p.opened(s, answer)
	if outcome.Status() != protocol.OK {
		return nil, outcome, detail
	}
	said, err := readStatement(p, payload, "iss", "aud", "exp", "nbf", "iat", "at_hash", "c_hash", "events", "typ", "token_use")
	if err != nil || said.misfit != nil {
		return nil, protocol.Rejected(protocol.ReasonMalformed), "its claims are not one strict JSON object, or one of them is of the wrong kind"
	}
	_, second, _ := segments(token)
	asked, err := readStatement(p, decode(second, MaxToken), "iss", "client_id", "azp")
	if err != nil {
		return nil, protocol.Outcome{}, ""
	}
	if reason, why := said.against(asked, now); reason != "" {
		return nil, protocol.Rejected(reason), why
	}
	return payload, protocol.Accepted(), ""
}

// opened checks all but the claims. The text says why the answer could not be judged.
func (p *Policy) opened(s *Set, answer []byte) ([]byte, protocol.Outcome, string) {
	first, second, third := segments(answer)
	if len(answer) > MaxUserinfo || len(first) > MaxToken || bytes.IndexByte(third, '.') >= 0 || !canonical(first) || !canonical(second) {
		return nil, protocol.Rejected(protocol.ReasonMalformed), ""
	}
	h, err := readHeader(first)
	switch {
	case err != nil:
		return nil, protocol.Rejected(protocol.ReasonMalformed), ""
	case !p.allows(h.algorithm()): // an answer that is not signed ends here too
		return nil, protocol.Rejected(protocol.ReasonWrongAlgorithm), ""
	case h.hasType && mediaType(h.typ) != "jwt":
		return nil, protocol.Rejected(protocol.ReasonWrongType), ""
	case !canonical(third), !h.hasKeyID && !p.KeyIDOptional:
		return nil, protocol.Rejected(protocol.ReasonMalformed), ""
	}
	var w walk
	input, signature := answer[:len(first)+1+len(second)], decode(third, maxModulus/8)
	if outcome := w.signed(s, &h, input, signature); outcome.Status() != protocol.OK {
		return nil, outcome, detail(w.flaw)
	}
	return decode(second, MaxUserinfo), protocol.Accepted(), ""
}

// statement holds the claims of a token, or of the answer about it, that are compared.
type statement struct{ payload }

// readStatement reads the claims of those names. Others may be anything.
func readStatement(p *Policy, text []byte, names ...string) (*statement, error) {
	policy := &Policy{Admitted: p.Admitted, Leeway: p.Leeway, AudienceArray: true, AudienceClaim: "client_id"}
	st := &statement{payload{policy: policy}}
	rules := strictjson.Rules{MaxDepth: maxAnswerDepth, Read: claimNames}
	err := rules.Members(text, func(name []byte, value strictjson.Value) error {
		if slices.Contains(names, string(name)) {
			return st.member(name, value)
		}
		return nil
	})
	return st, err
}

// against returns the reason to refuse an answer about a token, and says why; both empty if there is none.
func (s *statement) against(token *statement, now time.Time) (protocol.Reason, string) {
	untimely := s.untimely(now)
	switch {
	case s.other != "":
		return protocol.ReasonWrongType, "it is a token of another kind by its claims"
	case s.issuer == "":
		return protocol.ReasonWrongIssuer, "it does not say who issued it (iss)"
	case s.issuer != token.issuer:
		return protocol.ReasonWrongIssuer, "its iss is not that of the token"
	case s.hasAudience && !s.isFor(token.client):
		return protocol.ReasonWrongAudience, "its aud is neither the client that got the token nor one of audiences"
	case untimely == protocol.ReasonExpired:
		return untimely, "it is over by its exp and this host's clock"
	case untimely == protocol.ReasonNotYetValid:
		return untimely, "it is of the future by its nbf or iat and this host's clock"
	}
	return "", ""
}

// isFor tells whether "aud" names the client or one of the project's audiences.
func (s *statement) isFor(client string) bool {
	return client != "" && slices.Contains(s.audiences, client) ||
		slices.ContainsFunc(s.policy.Admitted, func(a Audience) bool { return a.Name != "" && slices.Contains(s.audiences, a.Name) })
}
