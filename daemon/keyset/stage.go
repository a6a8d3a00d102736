package keyset

import "github.com/neonauthd/neonauthd/protocol"

// stage is a check.
type stage uint8

// The checks, in their order.
const (
	stageGate stage = iota
	stageHeader
	stageAlgorithm
	stageKey
	stageSignature
	stageClaims
	stageIssuer
	stageAudience
	stageClass
	stageTime
	stageScope
)

// stageOf is the check of the claims that a reason comes from.
func stageOf(reason protocol.Reason) stage {
	switch reason {
	case protocol.ReasonWrongIssuer:
		return stageIssuer
	case protocol.ReasonWrongAudience:
		return stageAudience
	case protocol.ReasonClassNotAllowed:
		return stageClass
	case protocol.ReasonExpired, protocol.ReasonNotYetValid:
		return stageTime
	case protocol.ReasonInsufficientScope:
		return stageScope
	default:
		return stageClaims
	}
}
