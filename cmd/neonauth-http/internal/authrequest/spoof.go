package authrequest

import (
	"net/http"
	"slices"
	"strings"
)

// namesItself tells whether a header of the visitor's could be taken for one of ours by an application: those that the
// web server removes before it asks are not here any more, so the others reach the application. carriers, a value of
// Vary, are headers that may hold the token, which are the visitor's by right.
func namesItself(h http.Header, carriers string) bool {
	for name := range h {
		// A gateway interface (CGI, WSGI, Rack) makes the same variable of both spellings.
		if norm := strings.ReplaceAll(strings.ToLower(name), "_", "-"); strings.HasPrefix(norm, "x-auth-") &&
			!slices.ContainsFunc(strings.Split(carriers, ", "), func(c string) bool { return strings.EqualFold(c, name) }) {
			return true
		}
	}
	return false
}
