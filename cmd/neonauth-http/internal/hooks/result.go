package hooks

import "net/http"

// result is the outcome of a delivery. The list is closed, because it is a metric label.
type result string

const (
	// The daemon has carried out what the event requires.
	done result = "done"
	// As done on this host. Other hosts of the fleet are told as soon as possible. The change
	// is saved, so another delivery would not help.
	partly result = "partly"
	// The event is not about a user.
	ignored result = "ignored"

	noProject    result = "no-project"
	badMethod    result = "bad-method"
	badHeaders   result = "bad-headers"
	badTime      result = "bad-time"
	tooLarge     result = "too-large"
	unread       result = "unread" // the body did not come in time
	badSignature result = "bad-signature"
	badBody      result = "bad-body" // signed, but not an event
	busy         result = "busy"
	unavailable  result = "unavailable" // the daemon has not carried it out
	fault        result = "fault"       // a bug in this program
)

// unjudged returns the results of deliveries whose event is not known.
func unjudged() []result {
	return []result{badMethod, badHeaders, badTime, tooLarge, unread, badSignature, badBody, busy, fault}
}

// status returns the HTTP status for the sender. A 2xx means "delivered" to the sender; it
// tries again after any other status. So 2xx is for events that the daemon has carried out
// or will never carry out.
func (r result) status() int {
	switch r {
	case done, partly, ignored:
		return http.StatusNoContent
	case noProject:
		return http.StatusNotFound
	case badMethod:
		return http.StatusMethodNotAllowed
	case tooLarge:
		return http.StatusRequestEntityTooLarge
	case unread:
		return http.StatusRequestTimeout
	case badSignature:
		return http.StatusUnauthorized
	case badHeaders, badTime, badBody:
		return http.StatusBadRequest
	case busy, unavailable:
		return http.StatusServiceUnavailable
	case fault:
	}
	return http.StatusInternalServerError
}

// text returns the body of the answer, for people. The sender's dashboard shows it.
func (r result) text() string {
	switch r {
	case noProject:
		return "there is no such address here"
	case badMethod:
		return "deliveries are posted"
	case badHeaders:
		return "svix-id, svix-timestamp or svix-signature is missing, there twice, or not of its form"
	case badTime:
		return "signed more than 5 minutes ago, or ahead, by this host's clock"
	case tooLarge:
		return "the body is too large"
	case unread:
		return "the body did not come"
	case badSignature:
		return "signed with none of the secrets that are known here"
	case badBody:
		return "the body is not that of an event, or names no user"
	case busy:
		return "too many deliveries at once; try again"
	case unavailable:
		return "not done yet; try again"
	case fault:
		return "a fault of ours; try again"
	case done, partly, ignored:
	}
	return ""
}
