package authrequest

import (
	"net/http"
	"strings"
)

// dialect is a web server's way to ask. The differences are few; what is asked
// and how it is judged is the same for all.
type dialect struct {
	name string
	// allowed is the status that lets a request through. Envoy knows only 200.
	allowed int
	// anyMethod: the server asks with the visitor's own method. The others
	// ask with GET whatever the visitor sent.
	anyMethod bool
	// wish tells what the server's configuration asks for.
	wish func(r *http.Request) (query string, ok bool)
	// visitor tells on whose behalf the server asks, as the server knows it.
	visitor func(r *http.Request) string
}

// wishHeader carries the requirements where the request's query is the
// visitor's own. Envoy sets it in place of one that a visitor sent
// (authorization_request.headers_to_add).
const wishHeader = "X-Neonauth-Require"

func dialects() []*dialect {
	return []*dialect{
		{name: "nginx", allowed: http.StatusNoContent, wish: fromQuery, visitor: fromVisitorHeader},
		{name: "caddy", allowed: http.StatusNoContent, wish: fromQuery, visitor: fromVisitorHeader},
		{name: "haproxy", allowed: http.StatusNoContent, wish: fromQuery, visitor: fromVisitorHeader},
		{name: "traefik", allowed: http.StatusNoContent, wish: fromQuery, visitor: fromForwarded}, // it passes all of a visitor's headers on
		{name: "envoy", allowed: http.StatusOK, anyMethod: true, wish: fromHeader, visitor: fromVisitorHeader},
	}
}

func fromQuery(r *http.Request) (string, bool) { return r.URL.RawQuery, true }

// fromHeader takes exactly one header. None means that Envoy's configuration
// does not set it, and then a visitor could.
func fromHeader(r *http.Request) (string, bool) {
	all := r.Header[wishHeader]
	if len(all) != 1 {
		return "", false
	}
	return all[0], true
}

// route finds the dialect of a request; nil if there is none. Envoy appends the
// visitor's path to its prefix; that part is not looked at.
func route(table []*dialect, path string) *dialect {
	for _, d := range table {
		rest, ok := strings.CutPrefix(path, "/"+d.name)
		if ok && (rest == "" || d.anyMethod && rest[0] == '/') {
			return d
		}
	}
	return nil
}
