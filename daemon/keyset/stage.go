package keyset

import "github.com/neonauthd/neonauthd/protocol"

// Stage is a check of a token.
type Stage uint8

// The checks, in their order.
const (
	StageGate Stage = iota
	StageHeader
	StageAlgorithm
	StageKey
	StageSignature
	StageClaims
	StageIssuer
	StageAudience
	StageClass
	StageTime
	StageScope
)

// stages is the number of checks.
const stages = int(StageScope) + 1

// String returns the name of the check, as EXPLAIN has it.
func (s Stage) String() string {
	if int(s) >= stages {
		return "unknown"
	}
	return [stages]string{
		StageGate: "gate", StageHeader: "header", StageAlgorithm: "algorithm", StageKey: "key", StageSignature: "signature", StageClaims: "claims",
		StageIssuer: "issuer", StageAudience: "audience", StageClass: "class", StageTime: "time", StageScope: "scope",
	}[s]
}

// stageOf is the check of the claims that a reason comes from.
func stageOf(reason protocol.Reason) Stage {
	switch reason {
	case protocol.ReasonWrongIssuer:
		return StageIssuer
	case protocol.ReasonWrongAudience:
		return StageAudience
	case protocol.ReasonClassNotAllowed:
		return StageClass
	case protocol.ReasonExpired, protocol.ReasonNotYetValid:
		return StageTime
	case protocol.ReasonInsufficientScope:
		return StageScope
	default:
		return StageClaims
	}
}
