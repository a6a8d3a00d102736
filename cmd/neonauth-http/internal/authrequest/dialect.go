package authrequest

import (
	"net/http"
	"strings"
)

// dialect is how a kind of web server asks. The differences are few: all ask
// the same and are answered by the same rules.
type dialect struct {
	name string
	// allowed is the status that lets a request through. Envoy knows only 200.
	allowed int
	// anyMethod: the server asks with the visitor's own method. The others
	// ask with GET whatever the visitor sent.
	anyMethod bool
	// wish returns the requirements that the server's configuration sets.
	wish func(r *http.Request) (query string, ok bool)
	// visitor returns the visitor for whom the server asks, as the server knows
	// it.
	visitor func(r *http.Request) string
}

// wishHeader carries the requirements of a server whose requests have the
// visitor's own query. Envoy replaces the header if a visitor sent it
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

// fromHeader requires exactly one header. If it is missing, Envoy's
// configuration does not set it, and a visitor could.
func fromHeader(r *http.Request) (string, bool) {
	all := r.Header[wishHeader]
	if len(all) != 1 {
		return "", false
	}
	return all[0], true
}

// route returns the dialect of a request; nil if there is none. Envoy appends
// the visitor's path to its prefix; route ignores that part.
func route(table []*dialect, path string) *dialect {
	for _, d := range table {
		rest, ok := strings.CutPrefix(path, "/"+d.name)
		if ok && (rest == "" || d.anyMethod && rest[0] == '/') {
			return d
		}
	}
	return nil
}
