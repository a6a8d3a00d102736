package keyset

import "github.com/neonauthd/neonauthd/protocol"

// The outcomes, as the tables of the tests name them.
var (
	accepted          = protocol.Accepted()
	malformed         = protocol.Rejected(protocol.ReasonMalformed)
	wrongAlgorithm    = protocol.Rejected(protocol.ReasonWrongAlgorithm)
	unknownKey        = protocol.Rejected(protocol.ReasonUnknownKey)
	badSignature      = protocol.Rejected(protocol.ReasonBadSignature)
	senderConstrained = protocol.Rejected(protocol.ReasonSenderConstrained)
	missingClaim      = protocol.Rejected(protocol.ReasonMissingClaim)
	wrongIssuer       = protocol.Rejected(protocol.ReasonWrongIssuer)
	wrongAudience     = protocol.Rejected(protocol.ReasonWrongAudience)
	wrongType         = protocol.Rejected(protocol.ReasonWrongType)
	insufficientScope = protocol.Rejected(protocol.ReasonInsufficientScope)
	classNotAllowed   = protocol.Rejected(protocol.ReasonClassNotAllowed)
	expired           = protocol.Rejected(protocol.ReasonExpired)
	notYetValid       = protocol.Rejected(protocol.ReasonNotYetValid)
	unverifiable      = protocol.Unknown(protocol.CodeUnavailable)
	unusableKey       = protocol.Unknown(protocol.CodeMisconfigured)
	tooManyKeys       = protocol.Unknown(protocol.CodeMisconfigured)
)
