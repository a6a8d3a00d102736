package authrequest

import (
	"net/http"
	"net/url"
	"strings"
	"unicode"
)

// A web server that sends visitors to a login page passes the requested address
// in uriHeader. The refusal returns it in returnHeader, encoded as one value of
// a query, because nginx and Caddy cannot encode by themselves. The address
// does not influence the decision.
const (
	uriHeader    = "X-Neonauth-Uri"
	returnHeader = "X-Neonauth-Return"
)

// maxReturn bounds the encoded value, in bytes. With the rest of a refusal it
// fits into the 4 KiB that nginx has for a header.
const maxReturn = 2 << 10

// comeback puts the requested address into the headers of a refusal, if the web
// server passed it.
func comeback(reply, asked http.Header) {
	if all := asked[uriHeader]; len(all) == 1 {
		reply[returnHeader] = []string{returnTo(all[0])}
	}
}

// returnTo encodes the target of a request as one value of a query. A target
// that could lead to another site becomes "/"; a target that is too long loses
// its query. Browsers remove tabs and line ends from an address, so that "/", a
// tab and "/evil.example" would be another site; other control characters do
// not belong in a path either.
func returnTo(target string) string {
	path, _, _ := strings.Cut(target, "?")
	if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.Contains(path, `\`) || strings.ContainsFunc(path, unicode.IsControl) {
		return url.QueryEscape("/")
	}
	for _, whole := range []string{target, path} {
		if value := url.QueryEscape(whole); len(value) <= maxReturn {
			return value
		}
	}
	return url.QueryEscape("/")
}
