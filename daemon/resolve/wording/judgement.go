// Package wording has the texts with which an explanation tells people how a token was
// judged. It judges nothing.
package wording

import (
	"time"

	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/protocol"
)

// Unrevocable says why a good token is not accepted.
const Unrevocable = "sub has more than 512 bytes, so no revocation could name its user; have the issuer write shorter ids"

// Judgement is how a token was judged, and by what. The zero value is no judgement.
type Judgement struct {
	Set     *keyset.Set      // the keys; nil if there were none
	Policy  *keyset.Policy   // the rules; nil if there were none
	At      time.Time        // when the token was judged
	Token   keyset.Trace     // how its checks went
	Outcome protocol.Outcome // of its checks
}

// Detail returns a sentence about one check of the token.
func (j *Judgement) Detail(s keyset.Step) string {
	switch s.Result {
	case keyset.Passed:
		return passed(s.Stage)
	case keyset.Failed:
		text := failed(j.Outcome, s.Stage)
		if j.Token.Detail != "" {
			text += ": " + j.Token.Detail
		}
		return text
	case keyset.NotReached:
	}
	return "not reached: an earlier check failed"
}

// passed returns the sentence about a check of the token that has passed.
func passed(check keyset.Stage) string {
	switch check {
	case keyset.StageGate:
		return "three canonical base64url segments within the size limit"
	case keyset.StageHeader:
		return "one strict JSON object that asks for nothing refused"
	case keyset.StageAlgorithm:
		return "one that the project admits"
	case keyset.StageKey:
		return "the key set holds the key that is named"
	case keyset.StageSignature:
		return "made by that key over exactly this text"
	case keyset.StageClaims:
		return "one strict JSON object with the claims that have to be there"
	case keyset.StageIssuer:
		return "one of the project's"
	case keyset.StageAudience:
		return "the project's"
	case keyset.StageClass:
		return "a class of users that the project admits"
	case keyset.StageTime:
		return "not expired, and not before its time"
	case keyset.StageScope:
		return "every scope that the project demands"
	}
	return ""
}

// failed returns the sentence about the check that failed of a token with this
// outcome: what is wrong, and where to look. A test compares the list with the
// protocol's reasons.
func failed(outcome protocol.Outcome, check keyset.Stage) string {
	if outcome.Status() != protocol.NO {
		return "it is not known whether a key of the issuer has signed this text"
	}
	return map[protocol.Reason]string{
		protocol.ReasonMalformed:         "malformed at: " + check.String(),
		protocol.ReasonWrongType:         "a token of another kind: typ or a claim says what it is for, and it is not for this project",
		protocol.ReasonInsufficientScope: "the claim scope lacks a scope that the project demands",
		protocol.ReasonWrongAlgorithm:    "the header's alg is not the key's, or not one that the project admits",
		protocol.ReasonUnknownKey:        "the key set holds no key of that id",
		protocol.ReasonBadSignature:      "the key that is named did not sign this text, or no key of the algorithm where none is named",
		protocol.ReasonMissingClaim:      "a claim that is needed is missing, or one that is read is of the wrong kind",
		protocol.ReasonWrongIssuer:       "iss is none of the project's issuers: check base_url and issuers",
		protocol.ReasonWrongAudience:     "aud, or what audience_claim names in its place, is not the project's: a token for somebody else; check project_id, audiences or resources",
		protocol.ReasonSenderConstrained: "the claim cnf binds the token to a key (DPoP, mutual TLS): it is no bearer token",
		protocol.ReasonClassNotAllowed:   "an anonymous or restricted user or a machine (see allow in the configuration), another role, or flags that contradict each other or the audience",
		protocol.ReasonExpired:           "exp is past, by this host's clock",
		protocol.ReasonNotYetValid:       "nbf or iat lies in the future, by this host's clock and the leeway",
	}[outcome.Reason()]
}
