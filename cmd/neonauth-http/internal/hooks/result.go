package hooks

import "net/http"

// result is what became of a delivery, from a closed list: it is a label.
type result string

const (
	// The daemon has done what follows from it.
	done result = "done"
	// The same, and not every host of the fleet has: they are told as soon as that is
	// possible. It is saved, so nothing is gained by another delivery.
	partly result = "partly"
	// It says nothing of a user.
	ignored result = "ignored"

	noProject    result = "no-project"
	badMethod    result = "bad-method"
	badHeaders   result = "bad-headers"
	badTime      result = "bad-time"
	tooLarge     result = "too-large"
	unread       result = "unread" // the body did not come, or not in time
	badSignature result = "bad-signature"
	badBody      result = "bad-body" // signed, and no event
	busy         result = "busy"
	unavailable  result = "unavailable" // the daemon has not done it
	fault        result = "fault"       // of ours
)

// unjudged are the results of deliveries of which it is not known what they say.
func unjudged() []result {
	return []result{badMethod, badHeaders, badTime, tooLarge, unread, badSignature, badBody, busy, fault}
}

// status is what the sender is answered. It takes 2xx for "delivered", and tries
// again after everything else, so a 2xx is for what the daemon has done, or will
// never do.
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

// text is for people: the sender's dashboard shows it.
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
