package authrequest

import (
	"net/http"
	"slices"
	"strings"
)

// namesItself reports whether an application could take a header of the visitor
// for one of ours. The web server has removed some headers before it asked; all
// others reach the application. carriers, a value of Vary, are the headers that
// may hold the token, and that a visitor may send.
func namesItself(h http.Header, carriers string) bool {
	for name := range h {
		// Gateway interfaces (CGI, WSGI, Rack) make the same variable from "-"
		// and "_".
		if norm := strings.ReplaceAll(strings.ToLower(name), "_", "-"); strings.HasPrefix(norm, "x-auth-") &&
			!slices.ContainsFunc(strings.Split(carriers, ", "), func(c string) bool { return strings.EqualFold(c, name) }) {
			return true
		}
	}
	return false
}
