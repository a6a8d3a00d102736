package httpauth

import "github.com/neonauthd/neonauthd/protocol"

// Hint says, for the log of those who run the application, what has to be mended
// before the daemon answers. It is empty for what passes by itself, such as an
// outage of the upstream, and for codes that are not known. Visitors are not told.
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
