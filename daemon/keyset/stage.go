package keyset

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
)

// stageOf is the check of the claims that a reason comes from.
func stageOf(reason Reason) stage {
	switch reason {
	case WrongIssuer:
		return stageIssuer
	case WrongAudience:
		return stageAudience
	case ClassNotAllowed:
		return stageClass
	case Expired, NotYetValid:
		return stageTime
	default:
		return stageClaims
	}
}
