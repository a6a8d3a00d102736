package authrequest

import (
	"net/http"
	"slices"
	"strings"
)

// identityPrefix is how the names of all identity headers begin.
const identityPrefix = "X-Auth-"

// namesItself reports whether an application could take a header of the visitor
// for one of ours. The web server has removed some headers before it asked; all
// others reach the application. carriers, a value of Vary, are the headers that
// may hold the token, and that a visitor may send.
func namesItself(h http.Header, carriers string) bool {
	for name := range h {
		if len(name) < len(identityPrefix) {
			continue
		}
		// Gateway interfaces (CGI, WSGI, Rack) make the same variable from "-"
		// and "_".
		if begin := strings.ReplaceAll(name[:len(identityPrefix)], "_", "-"); strings.EqualFold(begin, identityPrefix) &&
			!slices.ContainsFunc(strings.Split(carriers, ", "), func(c string) bool { return strings.EqualFold(c, name) }) {
			return true
		}
	}
	return false
}
