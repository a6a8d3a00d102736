package authrequest

import (
	"net/http"
	"net/url"
	"strings"
	"unicode"
)

// A web server that sends visitors to a login page tells in uriHeader what they asked for, and finds in returnHeader of
// a refusal the same as one value of a query: nginx and Caddy cannot encode by themselves. Nothing is decided by it.
const (
	uriHeader    = "X-Neonauth-Uri"
	returnHeader = "X-Neonauth-Return"
)

// maxReturn bounds the encoded value: with the rest of a refusal it fits into the 4 KiB that nginx has for it.
const maxReturn = 2 << 10

// comeback puts what a visitor asked for into the headers of a refusal, if the web server told it.
func comeback(reply, asked http.Header) {
	if all := asked[uriHeader]; len(all) == 1 {
		reply[returnHeader] = []string{returnTo(all[0])}
	}
}

// returnTo encodes the target of a request as one value of a query. What could lead to another site becomes "/"; of a
// target that is too long only the path is left. Browsers leave tabs and line ends out of an address, so that "/", a tab
// and "/evil.example" is another site to them; other control characters stand in no path either.
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
