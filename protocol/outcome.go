package protocol

// Outcome is the result of a lookup: accepted; rejected, with the [Reason] that is the proof; or unknown, with the
// [Code] that says why. There is no fourth kind: an outcome with a reason is rejected, one with a code is unknown, and
// none has both. The zero value is unknown with [CodeUnavailable], so code that sets no outcome accepts and rejects
// nothing.
//
// Outcomes are compared with ==. They are values and safe for concurrent use.
type Outcome struct {
	status Status
	word   string // a Reason or a Code; empty if accepted, and for CodeUnavailable
}

// Accepted is the outcome of a lookup that is answered OK.
func Accepted() Outcome { return Outcome{status: OK} }

// Rejected is the outcome of a lookup that is answered NO. Without a reason there is no proof, and the outcome is unknown.
func Rejected(proof Reason) Outcome {
	if proof == "" {
		return Outcome{}
	}
	return Outcome{NO, string(proof)}
}

// Unknown is the outcome of a lookup that is answered ERR. An empty code stands for [CodeUnavailable].
func Unknown(why Code) Outcome {
	if why == CodeUnavailable {
		return Outcome{}
	}
	return Outcome{word: string(why)}
}

// Status returns the first word of the reply.
func (o Outcome) Status() Status { return o.status }

// Reason returns the proof of a rejection; "" for every other outcome.
func (o Outcome) Reason() Reason {
	if o.status != NO {
		return ""
	}
	return Reason(o.word)
}

// Code returns why an outcome is unknown; "" for every other outcome.
func (o Outcome) Code() Code {
	switch {
	case o.status != ERR:
		return ""
	case o.word == "":
		return CodeUnavailable
	}
	return Code(o.word)
}

// Word returns the second word of the reply: the reason or the code, empty if accepted.
func (o Outcome) Word() string {
	if o.status == ERR {
		return string(o.Code())
	}
	return o.word
}

// String returns the outcome as it begins a reply, such as "NO expired".
func (o Outcome) String() string {
	if o.status == OK {
		return OK.String()
	}
	return o.status.String() + " " + o.Word()
}

// HTTPStatus returns the status by which a guard answers a request whose token has this outcome: 200, 401, 403 or 503.
// An unknown outcome is never 401, which would log the user out.
func (o Outcome) HTTPStatus() int {
	switch {
	case o.status == OK:
		return 200
	case o.status != NO:
		return 503
	case o.Reason() == ReasonClassNotAllowed, o.Reason() == ReasonInsufficientScope: // genuine: another login of the same user would not help
		return 403
	}
	return 401
}
