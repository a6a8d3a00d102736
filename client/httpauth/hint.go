package httpauth

import "github.com/neonauthd/neonauthd/protocol"

// Hint returns a sentence for the application's log: what to change so that the
// daemon can answer. It is empty for a code that passes by itself, such as an
// outage of the upstream, and for an unknown code. Do not show it to visitors.
func Hint(code protocol.Code) string {
	switch code {
	case protocol.CodeUnknownProject:
		return "the daemon has no project of that name: neonauthctl hello lists those that it has"
	case protocol.CodeForbidden:
		return "no [[caller]] rule of the daemon lets this user ask that: see them in its configuration"
	case protocol.CodeNeedsProfile:
		return "only the upstream can judge this credential: if users sign in with such, let the guard ask for the profile"
	case protocol.CodeBadRequest, protocol.CodeUnknownVerb, protocol.CodeLineTooLong:
		return "the daemon does not understand this client, and may be older: neonauthctl hello shows its version"
	case protocol.CodeMisconfigured:
		return "the daemon's configuration does not fit the upstream: neonauthd --check and the daemon's log name the fault"
	case protocol.CodeUnavailable, protocol.CodeBusy, protocol.CodeDeadline, protocol.CodeKeysPending:
	}
	return ""
}
